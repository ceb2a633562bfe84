"""Parsing a mapping file: its rules with their lines, and a message and hint for each problem."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import listed_values, record_schema
from schemas.mapping.file import FILL_IN, VALUES, Entry, MappingFile, Provider, parse_mapping
from schemas.mapping.problems import MappingError


def problems_of(text: str) -> list[tuple[int, str, str, str | None]]:
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "my.yaml")
    return [tuple(problem) for problem in caught.value.problems]  # type: ignore[misc]


def problem_of(text: str) -> tuple[int, str, str, str]:
    (line, path, message, hint), *rest = problems_of(text)
    assert not rest
    return line, path, message, hint or ""


def test_each_rule_has_its_line() -> None:
    text = """\
# comment
labels:
  open: [Go, "on"]
  closed: Stop
providers:
  Our System:
    names: [OurATS]
    labels:
      unmapped_value:
        - Template
    codes:
      open: [1, "010", X9]
    booleans:
      open: true
      closed: [False]
"""
    ours = "Our System"
    assert parse_mapping(text, "my.yaml") == MappingFile(
        "my.yaml",
        (Provider(ours, ("OurATS",), 7),),
        (
            Entry(None, "label", "Go", "open", 3),
            Entry(None, "label", "on", "open", 3),
            Entry(None, "label", "Stop", "closed", 4),
            Entry(ours, "label", "Template", "unmapped_value", 10),
            Entry(ours, "code", "1", "open", 12),
            Entry(ours, "code", "010", "open", 12),
            Entry(ours, "code", "X9", "open", 12),
            Entry(ours, "boolean", "true", "open", 14),
            Entry(ours, "boolean", "false", "closed", 15),
        ),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "labels:\n", "providers: {x: {}}", "{}"])
def test_a_file_may_have_no_rules(text: str) -> None:
    assert parse_mapping(text, "my.yaml").entries == ()


def test_the_hint_for_an_unknown_value_names_the_nearest_one() -> None:
    assert problem_of("labels:\n  opne: [go]\n") == (
        2,
        "labels",
        "unknown value `opne`",
        "Did you mean `open`?",
    )
    assert problem_of("labels: {On-Hold: [go]}")[3] == "Did you mean `on_hold`?"


def test_the_hint_lists_all_values_if_none_is_similar() -> None:
    hint = problem_of("labels: {qqq: [go]}")[3]
    assert all(value in hint for value in VALUES)


@pytest.mark.parametrize(
    ("text", "path", "near"),
    [
        ("lables: {}", "", "labels"),
        ("provider: {}", "", "providers"),
        ("providers: {x: {lables: {}}}", "providers.x", "labels"),
        ("providers: {x: {code: {}}}", "providers.x", "codes"),
        ("providers: {x: {boolean: {}}}", "providers.x", "booleans"),
        ("providers: {x: {name: [y]}}", "providers.x", "names"),
    ],
)
def test_the_hint_for_a_misspelt_key_names_the_nearest_one(text: str, path: str, near: str) -> None:
    line, where, message, hint = problem_of(text)
    assert (line, where, hint) == (1, path, f"Did you mean `{near}`?")
    assert "unknown key" in message


@pytest.mark.parametrize("section", ["codes", "booleans"])
def test_codes_and_booleans_exist_only_for_a_provider(section: str) -> None:
    line, _, message, hint = problem_of(f"labels: {{}}\n{section}: {{open: [1]}}\n")
    assert (line, message) == (2, f"unknown key `{section}`")
    assert f"providers.NAME.{section}" in hint


def test_the_hint_for_a_provider_at_the_top_level_names_its_place() -> None:
    assert "providers:" in problem_of("greenhouse: {labels: {}}")[3]


@pytest.mark.parametrize("code", ["1", '"1"', '"010"', "-1", '"1.0"', '" 7 "', '"½"', "'12-3'"])
def test_a_code_is_refused_among_the_labels_for_all_providers(code: str) -> None:
    line, path, message, hint = problem_of(f"labels:\n  open:\n    - {code}\n")
    assert (line, path) == (3, "labels.open")
    assert message.endswith("is a code, not a label")
    assert "providers.NAME.codes" in hint


def test_a_code_is_refused_among_a_providers_labels() -> None:
    assert "providers.x.codes" in problem_of("providers: {x: {labels: {open: [7]}}}")[3]


@pytest.mark.parametrize("label", ["O", '"true"', '"FALSE"', '"-o-"'])
def test_letters_and_booleans_are_refused_among_the_labels_for_all_providers(label: str) -> None:
    _, path, message, hint = problem_of(f"labels: {{open: [{label}]}}")
    assert path == "labels.open"
    assert "only for a provider" in message
    assert "providers.NAME.labels" in hint


def test_a_provider_may_have_a_letter_as_a_label() -> None:
    assert parse_mapping("providers: {x: {labels: {open: [O]}}}", "").entries[0].text == "O"


@pytest.mark.parametrize(
    ("scalar", "converted"),
    [
        ("010", "the number 8"),
        ("0x10", "the number 16"),
        ("1_0", "the number 10"),
        ("1:30", "the number 90"),
        ("1.0", "the number 1.0"),
        ("-0", "the number 0"),
        ("+1", "the number 1"),
        ("on", "the boolean true"),
        ("Yes", "the boolean true"),
        ("no", "the boolean false"),
        ("off", "the boolean false"),
        ("null", "nothing"),
        ("~", "nothing"),
        ("2024-01-01", "a date"),
        ("2024-99-99", "a date"),
        ("!!binary aGk=", "something else"),
    ],
)
@pytest.mark.parametrize("section", ["labels", "codes"])
def test_a_scalar_that_yaml_converts_must_be_quoted(
    scalar: str, converted: str, section: str
) -> None:
    line, path, message, hint = problem_of(f"providers:\n  x:\n    {section}: {{open: [{scalar}]}}")
    assert (line, path) == (3, f"providers.x.{section}.open")
    assert converted in message
    assert hint.startswith("Write it in quotes: ")


def test_a_key_that_yaml_converts_must_be_quoted() -> None:
    assert problem_of("providers: {123: {}}")[:3] == (
        1,
        "providers",
        "YAML reads `123` as the number 123",
    )
    assert "the boolean true" in problem_of("labels: {on: [go]}")[2]


def test_an_integer_needs_no_quotes_as_a_code() -> None:
    entries = parse_mapping("providers: {x: {codes: {open: [0, -1, 42]}}}", "").entries
    assert [entry.text for entry in entries] == ["0", "-1", "42"]


@pytest.mark.parametrize("scalar", ["yes", "on", '"true"', "1", "open", "[true]", "~"])
def test_only_true_and_false_are_booleans(scalar: str) -> None:
    line, path, message, hint = problem_of(f"providers: {{x: {{booleans: {{open: [{scalar}]}}}}}}")
    assert (line, path) == (1, "providers.x.booleans.open")
    assert message.endswith("is not a boolean")
    assert "true or false" in hint


def test_codes_with_text_is_a_boolean() -> None:
    line, path, message, _ = problem_of("providers:\n  x: {codes_with_text: often}")
    assert (line, path) == (2, "providers.x.codes_with_text")
    assert message == "`often` is not a boolean"


def test_a_label_under_two_values_is_refused() -> None:
    line, path, message, hint = problem_of("labels:\n  open: [On-Hold]\n  closed: [ok, on hold]\n")
    assert (line, path) == (3, "labels.closed")
    assert message == "`on hold` is also under open (line 2, as `On-Hold`)"
    assert "one value" in hint


def test_a_label_may_be_repeated_under_one_value() -> None:
    assert len(parse_mapping("labels: {closed: [Filled, filled]}", "").entries) == 1


@pytest.mark.parametrize(
    "sections",
    [
        "codes: {open: [1], closed: ['1']}",
        "booleans: {open: [true], closed: [true]}",
        "labels: {open: [AB]}, codes: {closed: [ab]}",
        "codes: {open: [A-B]}, labels: {closed: [a b]}",
    ],
)
def test_two_rules_of_a_provider_may_not_disagree(sections: str) -> None:
    assert "is also under" in problem_of(f"providers: {{x: {{{sections}}}}}")[2]


def test_codes_that_differ_in_case_or_zeros_are_different() -> None:
    text = 'providers: {x: {codes: {open: ["1", a], closed: ["01", A]}}}'
    assert len(parse_mapping(text, "").entries) == 4


def test_one_label_may_mean_different_things_at_two_providers() -> None:
    text = "providers: {x: {labels: {open: [go]}}, y: {labels: {closed: [go]}}}"
    assert len(parse_mapping(text, "").entries) == 2


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("labels: {}\nlabels: {}\n", "", 2),
        ("labels:\n  open: [a b]\n  open: [c d]\n", "labels", 3),
        ("providers:\n  x: {}\n  x: {}\n", "providers", 3),
        ("providers:\n  x:\n    labels: {}\n    labels: {}\n", "providers.x", 4),
    ],
)
def test_a_repeated_key_is_refused(text: str, path: str, line: int) -> None:
    found = problem_of(text)
    assert found[:2] == (line, path)
    assert "is repeated (first on line" in found[2]


@pytest.mark.parametrize(
    "text",
    [
        "providers: {Acme HR: {}, acme-hr: {}}",
        "providers: {acme: {names: [ACME]}}",
        "providers: {acme: {names: [x]}, other: {names: [X]}}",
    ],
)
def test_two_providers_may_not_have_the_same_name(text: str) -> None:
    assert "a second time" in problem_of(text)[2]


def test_a_providers_name_needs_a_letter_or_digit() -> None:
    assert "no letter or digit" in problem_of('providers: {"--": {}}')[2]


@pytest.mark.parametrize("label", ['"..."', '""', f'"{"x" * 257}"', f'"{"x" * 100_000}"'])
def test_a_label_has_1_to_256_characters(label: str) -> None:
    assert problem_of(f"labels: {{open: [{label}]}}")[1] == "labels.open"


@pytest.mark.parametrize("code", ['" "', f'"{"1" * 257}"'])
def test_a_code_has_1_to_256_characters(code: str) -> None:
    assert "1 to 256" in problem_of(f"providers: {{x: {{codes: {{open: [{code}]}}}}}}")[2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("labels: [x]", 1),
        ("just a text", 1),
        ("[1, 2]", 1),
        ("labels:\n  open: {a: b}", 2),
        ("labels:\n  open:\n    - [nested]", 3),
        ("labels:\n  open:\n    - a: b", 3),
        ("providers: [x]", 1),
        ("? [a]\n: b", 1),
        ("labels: {<<: {open: [x y]}}", 1),
    ],
)
def test_another_structure_is_refused(text: str, line: int) -> None:
    assert problem_of(text)[0] == line


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: b: c", "\tx: 1", "a: *nowhere", "a: 1\n---\nb: 1", "a: \x00", "a: &x [*x]\nb: ]"],
)
def test_invalid_yaml_is_refused(text: str) -> None:
    assert "not YAML" in problem_of(text)[2]


def test_deep_nesting_is_refused() -> None:
    assert problems_of("[" * 100_000)


def test_a_list_that_contains_itself_is_refused() -> None:
    assert problems_of("labels: {open: &x [*x]}")


def test_a_tag_cannot_construct_an_object() -> None:
    assert problems_of("labels: {open: [!!python/object/apply:os.getcwd []]}")


def test_all_problems_are_reported_by_line() -> None:
    text = "providers: {x: {codes: {opne: [1]}}}\nlabels:\n  open: [1]\n  opened: [x]\n"
    assert [problem[0] for problem in problems_of(text)] == [1, 3, 4]


def test_a_suggestion_must_be_filled_in() -> None:
    assert "Replace it" in problem_of(f"labels: {{{FILL_IN}: [go]}}")[3]


def test_the_values_are_the_same_as_in_the_schema() -> None:
    fields = {f["name"]: f for f in record_schema("job_status_event").parsed["fields"]}
    status = fields["job_status"]["type"]
    value = next(f for f in status["fields"] if f["name"] == "value")
    assert tuple(listed_values(value) or ()) == VALUES


@given(st.text(alphabet='labelsprovid:{}[]-"\n #&*!?open1,', max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_mapping(text, "my.yaml")
    except MappingError as e:
        assert e.problems
        assert all(1 <= problem.line <= text.count("\n") + 2 for problem in e.problems)
