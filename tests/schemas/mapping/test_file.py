"""A faulty mapping file is refused with its line, what is wrong, and what to do."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import listed_values, record_schema
from schemas.errors import UsageError
from schemas.mapping.file import FILL_IN, VALUES, Entry, MappingFile, Provider, parse_mapping
from schemas.mapping.problems import MappingError, nearest


def faults(text: str) -> list[tuple[int, str, str, str | None]]:
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "my.yaml")
    return [tuple(problem) for problem in caught.value.problems]  # type: ignore[misc]


def fault(text: str) -> tuple[int, str, str, str]:
    (line, path, message, hint), *rest = faults(text)
    assert not rest
    return line, path, message, hint or ""


def test_a_file_is_read_with_its_lines() -> None:
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
def test_a_file_may_say_nothing(text: str) -> None:
    assert parse_mapping(text, "my.yaml").entries == ()


def test_an_unknown_value_names_the_nearest_one() -> None:
    assert fault("labels:\n  opne: [go]\n") == (
        2,
        "labels",
        "unknown value `opne`",
        "Did you mean `open`?",
    )
    assert fault("labels: {On-Hold: [go]}")[3] == "Did you mean `on_hold`?"


def test_an_unknown_value_without_a_near_one_lists_all() -> None:
    hint = fault("labels: {qqq: [go]}")[3]
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
def test_a_misspelt_key_names_the_nearest_one(text: str, path: str, near: str) -> None:
    line, where, message, hint = fault(text)
    assert (line, where, hint) == (1, path, f"Did you mean `{near}`?")
    assert "unknown key" in message


@pytest.mark.parametrize("section", ["codes", "booleans"])
def test_codes_and_booleans_exist_only_for_a_provider(section: str) -> None:
    line, _, message, hint = fault(f"labels: {{}}\n{section}: {{open: [1]}}\n")
    assert (line, message) == (2, f"unknown key `{section}`")
    assert f"providers.NAME.{section}" in hint


def test_a_provider_at_the_top_is_told_where_it_goes() -> None:
    assert "providers:" in fault("greenhouse: {labels: {}}")[3]


@pytest.mark.parametrize("code", ["1", '"1"', '"010"', "-1", '"1.0"', '" 7 "', '"½"', "'12-3'"])
def test_a_code_in_the_labels_for_everybody_is_refused(code: str) -> None:
    line, path, message, hint = fault(f"labels:\n  open:\n    - {code}\n")
    assert (line, path) == (3, "labels.open")
    assert message.endswith("is a code, not a label")
    assert "providers.NAME.codes" in hint


def test_a_code_in_a_providers_labels_is_refused() -> None:
    assert "providers.x.codes" in fault("providers: {x: {labels: {open: [7]}}}")[3]


@pytest.mark.parametrize("label", ["O", '"true"', '"FALSE"', '"-o-"'])
def test_letters_and_booleans_for_everybody_are_refused(label: str) -> None:
    _, path, message, hint = fault(f"labels: {{open: [{label}]}}")
    assert path == "labels.open"
    assert "only for a provider" in message
    assert "providers.NAME.labels" in hint


def test_letters_are_labels_of_a_provider() -> None:
    assert parse_mapping("providers: {x: {labels: {open: [O]}}}", "").entries[0].text == "O"


@pytest.mark.parametrize(
    ("scalar", "read"),
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
def test_what_yaml_takes_for_something_else_must_be_quoted(
    scalar: str, read: str, section: str
) -> None:
    line, path, message, hint = fault(f"providers:\n  x:\n    {section}: {{open: [{scalar}]}}")
    assert (line, path) == (3, f"providers.x.{section}.open")
    assert read in message
    assert hint.startswith("Write it in quotes: ")


def test_a_key_that_yaml_takes_for_something_else_must_be_quoted() -> None:
    assert fault("providers: {123: {}}")[:3] == (
        1,
        "providers",
        "YAML takes `123` for the number 123",
    )
    assert "the boolean true" in fault("labels: {on: [go]}")[2]


def test_whole_numbers_are_codes_without_quotes() -> None:
    entries = parse_mapping("providers: {x: {codes: {open: [0, -1, 42]}}}", "").entries
    assert [entry.text for entry in entries] == ["0", "-1", "42"]


@pytest.mark.parametrize("scalar", ["yes", "on", '"true"', "1", "open", "[true]", "~"])
def test_booleans_are_true_and_false_alone(scalar: str) -> None:
    line, path, message, hint = fault(f"providers: {{x: {{booleans: {{open: [{scalar}]}}}}}}")
    assert (line, path) == (1, "providers.x.booleans.open")
    assert message.endswith("is not a boolean")
    assert "true or false" in hint


def test_a_label_that_two_values_claim_is_refused() -> None:
    line, path, message, hint = fault("labels:\n  open: [On-Hold]\n  closed: [ok, on hold]\n")
    assert (line, path) == (3, "labels.closed")
    assert message == "`on hold` is claimed by open too (line 2, as `On-Hold`)"
    assert "one value" in hint


def test_a_label_may_stand_twice_under_one_value() -> None:
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
    assert "is claimed by" in fault(f"providers: {{x: {{{sections}}}}}")[2]


def test_codes_that_differ_in_case_or_zeros_are_two_codes() -> None:
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
def test_a_key_that_stands_twice_is_refused(text: str, path: str, line: int) -> None:
    found = fault(text)
    assert found[:2] == (line, path)
    assert "stands twice (first on line" in found[2]


@pytest.mark.parametrize(
    "text",
    [
        "providers: {Acme HR: {}, acme-hr: {}}",
        "providers: {acme: {names: [ACME]}}",
        "providers: {acme: {names: [x]}, other: {names: [X]}}",
    ],
)
def test_a_name_belongs_to_one_provider(text: str) -> None:
    assert "a second time" in fault(text)[2]


def test_a_provider_needs_a_letter_or_digit() -> None:
    assert "no letter or digit" in fault('providers: {"--": {}}')[2]


@pytest.mark.parametrize("label", ['"..."', '""', f'"{"x" * 257}"', f'"{"x" * 100_000}"'])
def test_a_label_has_1_to_256_characters(label: str) -> None:
    assert fault(f"labels: {{open: [{label}]}}")[1] == "labels.open"


@pytest.mark.parametrize("code", ['" "', f'"{"1" * 257}"'])
def test_a_code_has_1_to_256_characters(code: str) -> None:
    assert "1 to 256" in fault(f"providers: {{x: {{codes: {{open: [{code}]}}}}}}")[2]


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
def test_another_shape_is_refused(text: str, line: int) -> None:
    assert fault(text)[0] == line


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: b: c", "\tx: 1", "a: *nowhere", "a: 1\n---\nb: 1", "a: \x00", "a: &x [*x]\nb: ]"],
)
def test_what_is_not_yaml_is_refused(text: str) -> None:
    assert "not YAML" in fault(text)[2]


def test_endless_nesting_is_refused() -> None:
    assert faults("[" * 100_000)


def test_a_list_that_holds_itself_is_refused() -> None:
    assert faults("labels: {open: &x [*x]}")


def test_no_tag_makes_an_object() -> None:
    assert faults("labels: {open: [!!python/object/apply:os.getcwd []]}")


def test_every_problem_is_found_and_sorted_by_line() -> None:
    text = "providers: {x: {codes: {opne: [1]}}}\nlabels:\n  open: [1]\n  opened: [x]\n"
    assert [problem[0] for problem in faults(text)] == [1, 3, 4]


def test_the_message_names_file_line_and_path() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping("labels:\n  opne: [go]\n  clsed: [stop]", "dir/my.yaml")
    assert caught.value.message == "dir/my.yaml:2: labels: unknown value `opne`"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("Did you mean `open`? (1 more: ")
    assert len(str(caught.value).splitlines()) <= 3


def test_the_error_is_a_usage_error_and_survives_pickling() -> None:
    with pytest.raises(UsageError) as caught:
        parse_mapping("x", "my.yaml")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.args, copy.exit_code) == (MappingError, caught.value.args, 2)


def test_a_suggestion_that_is_not_filled_in_says_so() -> None:
    assert "Replace it" in fault(f"labels: {{{FILL_IN}: [go]}}")[3]


def test_the_values_are_those_of_the_schema() -> None:
    fields = {f["name"]: f for f in record_schema("job_status_event").parsed["fields"]}
    status = fields["job_status"]["type"]
    value = next(f for f in status["fields"] if f["name"] == "value")
    assert tuple(listed_values(value) or ()) == VALUES


def test_nearest() -> None:
    assert nearest("GREENHOSE", ["lever", "greenhouse"]) == "greenhouse"
    assert nearest("acme", ["comeet", "lever"]) is None
    assert nearest("", ["lever"]) is None


@given(st.text(alphabet='labelsprovid:{}[]-"\n #&*!?open1,', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_mapping(text, "my.yaml")
    except MappingError as e:
        assert e.problems
        assert all(1 <= problem.line <= text.count("\n") + 2 for problem in e.problems)
