"""Parsing a file of mapping cases."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping.cases import Case, parse_cases
from schemas.mapping.problems import MappingError, Problem


def source_value(yaml: str) -> str | None:
    """Returns the JSON text of a source value in YAML."""
    (case,) = parse_cases(f"- source_value: {yaml}\n  value: open\n", "cases.yaml")
    return case.source_value


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(MappingError) as caught:
        parse_cases(text, "cases.yaml")
    return caught.value.problems


def test_a_case_has_the_fields_of_a_record_and_its_line() -> None:
    text = """\
# A comment.
- provider: acme
  source_value: Go
  given_value: unmapped_value
  legacy_status: "on"
  event_type: ats_jobs.updated
  value: open
- value: null
"""
    assert parse_cases(text, "cases.yaml") == [
        Case("open", "acme", '"Go"', "unmapped_value", "on", "ats_jobs.updated", 2),
        Case(line=8),
    ]


@pytest.mark.parametrize(
    ("yaml", "json_text"),
    [
        ("open", '"open"'),
        ('"010"', '"010"'),
        ("'on'", '"on"'),
        ("1", "1"),
        ("2.50", "2.50"),
        ("-1e+5", "-1e+5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("null", "null"),
        ('"null"', '"null"'),
        ("[open, 1, null]", '["open", 1, null]'),
        ('{"id":1,"label":{"a":[]}}', '{"id": 1, "label": {"a": []}}'),
        ('"\\ud83d\\ude00 \\u0085"', '"😀 \x85"'),
        ("\n    label: open\n    id: 3", '{"label": "open", "id": 3}'),
    ],
)
def test_a_source_value_is_any_json(yaml: str, json_text: str) -> None:
    assert source_value(yaml) == json_text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)


@given(_JSON)
def test_json_is_a_source_value_as_it_is(value: object) -> None:
    text = source_value(json.dumps(value))
    assert text is not None
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "line", "path", "part"),
    [
        ("- {source_value: x}", 1, "", "the case has no `value`"),
        ("- {value: open}\n- {value: opn}", 2, "value", "unknown value `opn`"),
        ("- {value: open, sourcevalue: x}", 1, "", "unknown key `sourcevalue`"),
        ("- {value: open, value: open}", 1, "", "`value` is repeated"),
        ("- {value: open, source_value: on}", 1, "source_value", "the boolean true"),
        ("- {value: open, source_value: 010}", 1, "source_value", "the number 8"),
        ("- {value: open, source_value: 2024-01-01}", 1, "source_value", "a date"),
        ("- {value: open, source_value: {a: [0x1F]}}", 1, "source_value.a", "the number 31"),
        ("- {value: open, source_value: }", 1, "source_value", "no value"),
        ("- {value: open, source_value: {on: x}}", 1, "source_value", "the boolean true"),
        ("- {value: open, source_value: {a: 1, a: 2}}", 1, "source_value", "is repeated"),
        ('- {value: open, source_value: "\\ud800"}', 1, "source_value", "lone surrogate"),
        ("- {value: open, source_value: &x [*x]}", 1, "source_value", "nested more than 200"),
        ("- {value: open, provider: 7}", 1, "provider", "the number 7"),
        ("- {value: [open]}", 1, "value", "expected a text"),
        ("- open", 1, "", "expected a case"),
        ("value: open", 1, "", "expected a list of cases"),
        ("", 1, "", "expected a list of cases"),
        ("[]", 1, "", "expected a list of cases"),
        ("- [", 1, "", "not YAML"),
    ],
)
def test_a_problem_has_its_line_and_path(text: str, line: int, path: str, part: str) -> None:
    (problem,) = problems_of(text)
    assert problem[:2] == (line, path)
    assert part in problem.message


def test_the_nearest_key_is_a_hint() -> None:
    (problem,) = problems_of("- {value: open, legacy_staus: x}")
    assert problem.hint == "Did you mean `legacy_status`?"


def test_the_message_names_the_command_that_lists_all_problems() -> None:
    with pytest.raises(MappingError) as caught:
        parse_cases("- x\n- y\n", "cases.yaml")
    assert str(caught.value.hint).endswith("(1 more: `job-status mapping test FILE` lists them)")
