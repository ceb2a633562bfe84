"""The built-in rules give each source value of tests/mapping_cases its expected status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import yaml

from schemas.mapping.file import VALUES, Provider
from schemas.mapping.normalise import provider_key
from schemas.mapping.tables import Rule, built_in_file, load_mapping
from tests.mapping_cases import FILES, MappingCase, load_cases
from tests.transforms.derive_cases import explain, inputs
from transforms.derive.rules import derive

MAPPING = load_mapping()
CASES = load_cases()
JSON_LITERALS = ("true", "false", "null")
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def _status_of(case: MappingCase) -> str | None:
    return derive(MAPPING, **inputs(case.json, provider=case.provider, event=None)).value


def _rules_of(provider: str | None) -> list[Rule]:
    tables = MAPPING.provider_tables(provider) if provider else MAPPING.global_tables
    return [
        rule
        for table in tables
        for rules in (table.labels, table.codes, table.booleans)
        for rule in rules.values()
    ]


def _nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yields a node of YAML and all nodes in it, keys included."""
    yield node
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _nodes(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(key)
            yield from _nodes(value)


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case.provider}: {case.json} is {case.value}"[:100] for case in CASES]
)
def test_a_source_value_has_the_expected_status(case: MappingCase) -> None:
    assert _status_of(case) == case.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_has_cases_with_known_keys_and_values(path: Path) -> None:
    cases = yaml.safe_load(path.read_text("utf-8"))
    assert cases
    for case in cases:
        assert {"source_value", "value"} <= set(case) <= {"provider", "source_value", "value"}, case
        assert isinstance(case.get("provider", ""), str), case
        assert case["value"] in VALUES, case


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_text_that_yaml_would_convert_has_quotes(path: Path) -> None:
    root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    assert root is not None
    for node in _nodes(root):
        line = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            if node.tag.endswith((":int", ":float")):
                assert JSON_NUMBER.fullmatch(node.value), (path.name, line)
            elif not node.tag.endswith(":str"):
                assert node.value in JSON_LITERALS, (path.name, line)
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), (path.name, line)


def test_no_case_is_repeated_and_no_two_disagree() -> None:
    values: dict[tuple[str, str], str] = {}
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
