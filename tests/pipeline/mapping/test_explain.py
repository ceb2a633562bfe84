"""`job-status mapping explain`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.mapping.explain import explain_text
from schemas.errors import UsageError
from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import CASES, WORKDAY

MAPPING = load_mapping()
DOCS = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("provider", "source", "result"),
    [
        ("bamboohr", '{"id":3,"label":"OnHold"}', "on_hold by provider_rule"),
        ("workable", '"closed"', "internal by provider_rule"),
        (None, "true", "unmapped_value by unmapped"),
        ("workday", WORKDAY, "on_hold by provider_rule"),
        ("jazzhr", '"paused"', "on_hold by global_rule"),
        (None, "null", "null by absent"),
        (None, ' "" ', "null by absent"),
    ],
)
def test_the_result_is_at_the_end(provider: str | None, source: str, result: str) -> None:
    lines = explain_text(provider, source, MAPPING).splitlines()
    assert lines[-2].startswith(f"result:       {result}, derived from ")
    assert lines[-1] == f"mapping:      {MAPPING.fingerprint}"


def test_each_step_has_its_look_up_and_the_place_of_its_rule() -> None:
    mapping = load_mapping("providers:\n  bamboohr:\n    codes: {archived: [4]}\n", "my.yaml")
    source = '{"id":4,"label":"Big-Zonk"}'
    assert explain_text("Bamboo HR", source, mapping).splitlines()[:7] == [
        "provider:     bamboohr",
        'source_value: "Big-Zonk" (from a JSON object)',
        ' 1. source_value.label: text "big zonk"',
        "    searched my.yaml for bamboohr, then schemas/mapping/job_status.yaml for bamboohr",
        "    no rule",
        ' 2. source_value.id: code "4"',
        "    searched my.yaml for bamboohr, then schemas/mapping/job_status.yaml for bamboohr",
    ]
    assert '    code "4" means archived at my.yaml:3' in explain_text("bamboohr", source, mapping)


def test_an_unknown_provider_gets_the_nearest_name() -> None:
    first = explain_text("greenhose", '"open"', MAPPING).splitlines()[0]
    assert "no table" in first
    assert first.endswith("did you mean greenhouse?")
    assert "did you mean" not in explain_text("acme", '"open"', MAPPING)


def test_the_result_is_that_of_a_run() -> None:
    for case in CASES:
        lines = explain_text(case.provider, case.json, MAPPING).splitlines()
        assert f"result:       {case.value or 'null'} by {case.derivation}," in lines[-2]


@pytest.mark.parametrize(
    "source",
    ["closed", "", "{", "NaN", "'closed'", '"\\ud800"', '"\udc80"', "1 2", "[" * 201 + "]" * 201],
)
def test_invalid_json_is_refused(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain_text(None, source, MAPPING)
    assert caught.value.hint or "nested" in caught.value.message


def test_a_nesting_of_200_is_accepted() -> None:
    assert "too deep" in explain_text(None, "[" * 200 + "1" + "]" * 200, MAPPING)


def test_the_example_in_the_docs_is_the_real_output() -> None:
    examples = re.findall(r"^```\n\$ job-status mapping (.*?)```", DOCS, re.DOTALL | re.M)
    command, *shown = examples[0].splitlines()
    _, _, provider, source = shlex.split(command)
    assert explain_text(provider, source, MAPPING).splitlines()[: len(shown)] == shown
