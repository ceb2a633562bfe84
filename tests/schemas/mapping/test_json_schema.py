"""The JSON Schema of a mapping file agrees with the parser."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.mapping.file import CODES_WITH_TEXT, SECTIONS, VALUES, parse_mapping
from schemas.mapping.json_schema import json_schema
from schemas.mapping.problems import MappingError

SCHEMA = json_schema()

VALID = [
    "",
    "labels: {}",
    "labels:\nproviders:\n",
    "labels: {on_hold: [parked, on ice], open: go, closed: }",
    "providers: {acme: {names: [OurATS]}, other: }",
    "providers: {acme: {names: OurATS, labels: {open: [O, ok]}}}",
    "providers: {acme: {codes: {open: [0, -1, 999999999999999999], closed: ['007', X9]}}}",
    "providers: {acme: {booleans: {open: [true], closed: false}}}",
    "providers: {acme: {codes_with_text: true, codes: {open: ['007']}}}",
    "labels: {unmapped_value: [Template]}",
    "labels: {open: [é2, 'ﬁ', 'öffentlich 2.0']}",
]
"""Files that the parser accepts."""

INVALID = [
    "[]",
    "x",
    "lables: {open: [go]}",
    "labels: [go]",
    "labels: {opne: [go]}",
    "labels: {FILL_IN: [go]}",
    "labels: {open: [1]}",
    "labels: {open: ['1', x y]}",
    "labels: {open: ['1.2-3']}",
    "labels: {open: ['']}",
    "labels: {open: ['...']}",
    "labels: {open: [o]}",
    "labels: {open: [[go]]}",
    "labels: {open: {go: 1}}",
    "labels: {open: [true]}",
    "codes: {open: [1]}",
    "providers: [acme]",
    "providers: {acme: [go]}",
    "providers: {acme: {label: {open: [go]}}}",
    "providers: {acme: {names: [7]}}",
    "providers: {acme: {names: ['']}}",
    "providers: {acme: {codes: {open: [1.5]}}}",
    "providers: {acme: {codes: {open: [' ']}}}",
    "providers: {acme: {codes: {open: [1000000000000000000]}}}",
    "providers: {acme: {codes: {open: [true]}}}",
    "providers: {acme: {booleans: {open: ['true']}}}",
    "providers: {acme: {booleans: {open: [1]}}}",
    "providers: {acme: {codes_with_text: 'true'}}",
    "providers: {acme: {codes_with_text: }}",
]
"""Files that both refuse."""

ONLY_FOR_THE_PARSER = [
    "labels: {open: [go], closed: [Go]}",
    "providers: {acme: {names: [ACME]}}",
    'labels: {open: ["true"]}',
]
"""Files whose problems a schema cannot describe."""


def is_accepted(text: str) -> bool:
    try:
        parse_mapping(text, "my.yaml")
    except MappingError:
        return False
    return True


def is_valid(text: str) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text)))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_the_built_in_file_is_valid() -> None:
    text = resources.files("schemas.mapping").joinpath("job_status.yaml").read_text("utf-8")
    assert is_valid(text)


@pytest.mark.parametrize("text", VALID)
def test_a_file_that_the_parser_accepts_is_valid(text: str) -> None:
    assert is_accepted(text)
    assert is_valid(text)


@pytest.mark.parametrize("text", INVALID)
def test_a_file_with_another_structure_is_refused_by_both(text: str) -> None:
    assert not is_accepted(text)
    assert not is_valid(text)


@pytest.mark.parametrize("text", ONLY_FOR_THE_PARSER)
def test_the_parser_finds_more(text: str) -> None:
    assert not is_accepted(text)
    assert is_valid(text)


def test_an_editor_knows_every_status_and_section() -> None:
    (provider,) = SCHEMA["$defs"].values()
    assert set(provider["properties"]) == {"names", CODES_WITH_TEXT, *SECTIONS}
    for section in (SCHEMA["properties"]["labels"], *map(provider["properties"].get, SECTIONS)):
        assert tuple(section["properties"]) == VALUES
        assert all(each["description"] for each in section["properties"].values())
