"""The cases of tests/mapping_cases cover the built-in rules.

`job-status mapping test` runs them in tests/pipeline/mapping/test_case_runner.py.
"""

from __future__ import annotations

import re
from importlib import resources

import pytest

from schemas.mapping.file import VALUES, Provider
from schemas.mapping.normalise import provider_key
from schemas.mapping.tables import Rule, built_in_file, load_mapping
from tests.mapping_cases import load_cases
from tests.transforms.derive_cases import explain, inputs
from transforms.derive.rules import derive

MAPPING = load_mapping()
CASES = load_cases()


def _rules_of(provider: str | None) -> list[Rule]:
    tables = MAPPING.provider_tables(provider) if provider else MAPPING.global_tables
    return [
        rule
        for table in tables
        for rules in (table.labels, table.codes, table.booleans)
        for rule in rules.values()
    ]


def test_no_case_is_repeated_and_no_two_disagree() -> None:
    values: dict[tuple[str, str], str | None] = {}
    for case in CASES:
        key = (provider_key(case.provider or ""), case.json)
        assert values.setdefault(key, case.value) == case.value, case
    assert len({(case.provider, case.json) for case in CASES}) == len(CASES)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 400
    assert {case.value for case in CASES} == set(VALUES)


@pytest.mark.parametrize("provider", built_in_file().providers, ids=lambda each: each.name)
def test_each_provider_names_its_source(provider: Provider) -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    assert re.search(rf"^  {provider.name}: (\{{}} )?# \w", text, re.M)


@pytest.mark.parametrize("provider", [None, *MAPPING.providers])
def test_each_rule_has_a_case(provider: str | None) -> None:
    cases = [case for case in CASES if MAPPING.provider(case.provider) == provider]
    assert cases
    used = {
        step.rule
        for case in cases
        for step in explain(MAPPING, case.provider, case.json)
        if step.rule is not None
    }
    assert [rule for rule in _rules_of(provider) if rule not in used] == []


def test_a_rule_of_the_provider_decides_in_the_files_of_providers() -> None:
    for case in CASES:
        given = inputs(case.json, provider=case.provider, event=None)
        derivation = derive(MAPPING, **given).derivation
        if case.file.startswith("providers_"):
            assert derivation in ("provider_rule", "unmapped"), case
        elif case.file == "global.yaml":
            assert derivation == "global_rule", case
        elif case.file == "fallbacks.yaml":
            assert derivation in ("global_rule", "unmapped"), case
