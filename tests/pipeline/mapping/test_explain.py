"""`job-status mapping explain`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.mapping.explain import explain_case, explain_text
from schemas.errors import UsageError
from schemas.mapping.cases import Case
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
    assert lines[-3].startswith(f"result:       {result}, derived from ")
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
        "    searched my.yaml for bamboohr",
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
        assert f"result:       {case.value or 'null'} by {case.derivation}," in lines[-3]


def test_an_argument_that_is_not_json_is_a_text() -> None:
    bare, quoted = (
        explain_text("workable", source, MAPPING).splitlines() for source in ("closed", '"closed"')
    )
    assert bare[1] == 'source_value: "closed" (a text, because the argument is not JSON)'
    assert quoted[1] == 'source_value: "closed" (from a JSON string)'
    assert bare[2:] == quoted[2:]


@pytest.mark.parametrize("source", ["", "NaN", "'closed'", "1 2", "on hold", "True"])
def test_any_text_can_be_explained(source: str) -> None:
    assert "(a text" in explain_text(None, source, MAPPING).splitlines()[1]


@pytest.mark.parametrize("source", ["{", '["open"', '{"a": b}', '"open', '"\\ud800"'])
def test_json_with_a_mistake_is_a_text_with_the_mistake_named(source: str) -> None:
    line = explain_text(None, source, MAPPING).splitlines()[1]
    assert re.search(r"\(a text, because the argument is not JSON: .*\)$", line)


@pytest.mark.parametrize("source", ['"\udc80"', "[" * 201 + "]" * 201])
def test_bytes_that_are_not_utf8_and_a_deep_nesting_are_refused(source: str) -> None:
    with pytest.raises(UsageError):
        explain_text(None, source, MAPPING)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case(given_value="Open", source_value='"closed"'), "a given `value` that is a status"),
        (Case(provider="workable", source_value='"closed"'), "`source_value` has content, so it"),
        (Case(legacy_status="Zonk"), "`status` has content, so it decides; no rule maps it"),
        (Case(given_value="unmapped_value"), "`value` is unmapped_value, and no other field"),
        (Case(event_type="ats_jobs.deleted"), "no field has content, and the name of the event"),
        (Case(source_value="null"), "no field has content"),
    ],
)
def test_the_reason_names_the_field_that_decides(case: Case, reason: str) -> None:
    *_, last = explain_case(case, MAPPING)
    assert last.startswith(f"reason:       {reason}")


def test_every_input_of_a_case_is_shown() -> None:
    case = Case(given_value="zonk", legacy_status="Open", event_type="ats_jobs.updated")
    lines = [*explain_case(case, MAPPING)]
    assert lines[1:5] == [
        "source_value: missing",
        'value:        "zonk"',
        'status:       "Open"',
        'event:        "ats_jobs.updated"',
    ]


def test_a_nesting_of_200_is_accepted() -> None:
    assert "too deep" in explain_text(None, "[" * 200 + "1" + "]" * 200, MAPPING)


def test_the_example_in_the_docs_is_the_real_output() -> None:
    examples = re.findall(r"^```\n\$ job-status mapping (.*?)```", DOCS, re.DOTALL | re.M)
    command, *shown = examples[0].splitlines()
    _, _, provider, source = shlex.split(command)
    assert explain_text(provider, source, MAPPING).splitlines()[: len(shown)] == shown
