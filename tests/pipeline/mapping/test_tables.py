"""`job-status mapping print`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.mapping.tables import tables_text
from schemas.mapping.file import VALUES, parse_mapping
from schemas.mapping.tables import Rule, built_in_file, load_mapping
from tests.transforms.derive_cases import CASES, Case, differences, inputs
from transforms.derive.rules import Deriver, derive

MAPPING = load_mapping()
MINE = """\
labels:
  on_hold: [parked]
providers:
  workable: {labels: {closed: [closed]}}
  our own: {names: [OurATS], codes: {open: [7]}, booleans: {open: [true]}}
"""
DOCS = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text("utf-8")


@pytest.mark.parametrize("user", [None, MINE])
def test_the_printed_tables_are_an_equivalent_mapping(user: str | None) -> None:
    mapping = load_mapping(user, "my.yaml")
    text = tables_text(mapping)
    assert mapping.fingerprint in text.splitlines()[0]
    again = load_mapping(text, "printed.yaml")
    assert len(parse_mapping(text, "").entries) >= len(built_in_file().entries)
    extra = [
        Case("workable", '"closed"', "closed" if user else "internal", "provider_rule"),
        Case("OurATS", "7", "open" if user else "unmapped_value", "provider_rule"),
    ]
    for case in [*CASES, *extra]:
        given = inputs(case.json, provider=case.provider, event=None)
        assert derive(again, **given) == derive(mapping, **given)
    if user is None:
        assert differences(Deriver(again)) == []


def test_each_rule_has_its_place_and_overridden_rules_are_comments() -> None:
    lines = tables_text(load_mapping(MINE, "my.yaml")).splitlines()
    assert "    - parked  # my.yaml:2" in lines
    assert "        - closed  # my.yaml:4" in lines
    assert '        - "7"  # my.yaml:5' in lines
    assert "        - true  # my.yaml:5" in lines
    assert "    names: [OurATS]" in lines
    overridden = [line for line in lines if "# overridden: " in line]
    assert len(overridden) == 1
    assert '"closed" means internal at schemas/mapping/job_status.yaml:' in overridden[0]


def _cell(rules: list[Rule]) -> str:
    texts = {value: [f"`{rule.text}`" for rule in rules if rule.value == value] for value in VALUES}
    return "; ".join(f"{value}: {', '.join(found)}" for value, found in texts.items() if found)


def _rows(*cells: str) -> str:
    return " ".join(["|", *(f"{cell} |" if cell else "|" for cell in cells)])


def test_the_docs_show_the_built_in_tables() -> None:
    global_labels = MAPPING.global_tables[0].labels.values()
    for value in VALUES[:-1]:
        labels = ", ".join(rule.text for rule in global_labels if rule.value == value)
        assert _rows(value, labels) in DOCS.splitlines()
    for provider in MAPPING.providers:
        (table,) = MAPPING.provider_tables(provider)
        others = ", ".join(MAPPING.other_names(provider))
        names = f" ({others})" if others else ""
        labels = _cell(list(table.labels.values()))
        codes = _cell([*table.codes.values(), *table.booleans.values()])
        assert _rows(provider + names, labels, codes) in DOCS.splitlines()
