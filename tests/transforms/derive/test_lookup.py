"""The steps of a look-up in the tables."""

from __future__ import annotations

import pytest

from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import CASES, WORKDAY, explain, inputs
from transforms.derive.rules import derive

MAPPING = load_mapping()


def test_an_explanation_has_each_look_up_and_its_rule() -> None:
    mapping = load_mapping("providers:\n  bamboohr:\n    codes: {archived: [4]}\n", "my.yaml")
    label, code = explain(mapping, "BambooHR", '{"id":4,"label":"Big-Zonk"}')
    assert (label.path, label.query, label.rule) == (
        "source_value.label",
        'text "big zonk"',
        None,
    )
    assert label.tables == (
        "my.yaml for bamboohr",
        "schemas/mapping/job_status.yaml for bamboohr",
    )
    assert code.rule is not None
    assert (code.path, code.query, code.outcome) == ("source_value.id", 'code "4"', "archived")
    assert code.rule.place == "my.yaml:3"


def test_an_explanation_has_the_path_of_each_reference() -> None:
    assert [(step.path, step.outcome) for step in explain(MAPPING, "workday", WORKDAY)] == [
        ("source_value[0].ID[0]", "an opaque id of the type WID: not searched"),
        ("source_value[0].ID[1].$value", "on_hold"),
    ]


def test_an_explanation_of_an_unknown_reference_has_each_table_once() -> None:
    _, provider, everywhere = explain(MAPPING, "workday", WORKDAY.replace("Frozen", "Zonk"))
    assert provider.path == everywhere.path == "source_value[0].ID[1].$value"
    assert provider.tables == ("schemas/mapping/job_status.yaml for workday",)
    assert everywhere.tables == ("schemas/mapping/job_status.yaml for all providers",)


@pytest.mark.parametrize(
    ("json", "reason"),
    [
        ('["Open", "Closed"]', "[0] means open and [1] means closed: no rule"),
        ('["Open", null, "Zonk"]', "[2] has no rule, so the whole array has none"),
        ('{"colour": "Open"}', "no member that can have a status"),
        ("[[[[[1]]]]]", "too deep: only 4 levels are searched"),
        ("[" + "0," * 500_001 + "0]", "too large to be searched: over 500,000 commas"),
    ],
)
def test_an_explanation_has_the_reason_without_a_rule(json: str, reason: str) -> None:
    assert explain(MAPPING, "ashby", json)[-1].outcome == reason


def test_an_explanation_without_a_provider_has_no_empty_search_for_a_text() -> None:
    (step,) = explain(MAPPING, None, '{"label": "Zonk"}')
    assert step.tables == ("schemas/mapping/job_status.yaml for all providers",)


def test_explaining_changes_no_result() -> None:
    for case in CASES:
        given = inputs(case.json, provider=case.provider)
        assert derive(MAPPING, **given, trace=[]) == derive(MAPPING, **given)
