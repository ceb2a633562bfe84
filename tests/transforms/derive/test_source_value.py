"""The parts of a source value and their order, the code of a number, and content."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.derive.source_value import (
    MAX_COMMAS,
    Element,
    Part,
    compact,
    elements_with_content,
    filled_text,
    has_content,
    is_searched,
    number_code,
    parts,
    text_of,
)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e-5", "0"),
        ("0e99999999999999999999", "0"),
        ("1", "1"),
        ("1.0", "1"),
        ("1e0", "1"),
        ("1E+1", "10"),
        ("100e-2", "1"),
        ("0.5e1", "5"),
        ("-7", "-7"),
        ("-70e-1", "-7"),
        ("999999999999999999", "999999999999999999"),
        ("1e17", "1" + "0" * 17),
        ("1000000000000000000", None),
        ("1e18", None),
        ("0.1", None),
        ("1e-1", None),
        ("1.5", None),
        ("1e1000000000", None),
        ("1e-1000000000", None),
        ("1" + "0" * 5000 + "e-5000", "1"),
        ("0." + "0" * 5000 + "7e5001", "7"),
        ("1e" + "0" * 5000 + "1", "10"),
    ],
)
def test_number_code(number: str, code: str | None) -> None:
    assert number_code(number) == code


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
)
def test_a_numbers_code_is_its_integer(number: str) -> None:
    exact = Fraction(number)
    whole = exact.denominator == 1 and abs(exact) < 10**18
    assert number_code(number) == (str(exact.numerator) if whole else None)


@pytest.mark.parametrize(
    ("json", "content"),
    [
        (b"null", False),
        (b"0", True),
        (b"false", True),
        (b'""', False),
        (b'"a"', True),
        (b'" _-./"', False),
        (b'"\\t\\n\\u2014"', False),
        (b'"\\u200b"', False),
        (b'"\\""', True),
        (b'"\\\\"', True),
        (b'"\\/"', False),
        ('"…"'.encode(), False),
        (b"[]", False),
        (b"{}", False),
        (b'{"a":null}', False),
        (b'{"label" : "", "true":[null]}', False),
        (b'{"a\\"b":null}', False),
        (b'{"a\\\\":"","b":"x"}', True),
        (b"[[[[[[[0]]]]]]]", True),
        (b'[[[[[[["","n",null]]]]]]]', True),
        (b'["",{"a":-1}]', True),
        (b'"' + b"\\\\" * 101 + b'"', True),
    ],
)
def test_has_content(json: bytes, content: bool) -> None:
    assert has_content(json) is content


def _has_content(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_content, value.values()))
    if isinstance(value, list):
        return any(map(_has_content, value))
    return value is not None and value != ""


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["", '"', "\\", '\\"', ":", "n"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["", '"', "\\", "null", '":']), inner, max_size=3)
        ),
    )
)
def test_has_content_equals_a_simple_recursion(value: object) -> None:
    assert has_content(msgspec.json.encode(value)) is _has_content(value)


def test_the_usual_spelling_of_a_key_comes_first_then_the_others_by_code_point() -> None:
    json = b'{"label":1,"LABEL":2,"Label":3,"Name":4,"x":5,"displayname":6,"displayName":7}'
    assert parts(json).labels == [
        Part("label", b"1"),
        Part("LABEL", b"2"),
        Part("Label", b"3"),
        Part("Name", b"4"),
        Part("displayName", b"7"),
        Part("displayname", b"6"),
    ]


def test_the_descriptor_among_the_attributes_has_the_place_of_a_member() -> None:
    json = b'{"$":{"wd:Descriptor":3},"text":4,"attributes":{"Descriptor":2,"text":9},"label":1}'
    assert parts(json).labels == [
        Part("label", b"1"),
        Part("attributes.Descriptor", b"2"),
        Part("$.wd:Descriptor", b"3"),
        Part("text", b"4"),
    ]


def test_an_array_or_object_under_the_id_is_a_reference() -> None:
    found = parts(b'{"id":[1],"wd:ID":{},"code":[2],"ID":"x"}')
    assert found.references == [Part("id", b"[1]"), Part("wd:ID", b"{}")]
    assert found.ids == [Part("ID", b'"x"'), Part("code", b"[2]")]


def test_only_booleans_are_flags() -> None:
    found = parts(b'{"isListed":true,"is_open":"true","isOpen":false}')
    assert found.flags == [Part("isOpen", b"false"), Part("isListed", b"true")]


def test_the_last_of_duplicate_keys_counts() -> None:
    assert parts(b'{"id":1,"id":2}').ids == [Part("id", b"2")]


def test_source_value_comes_before_its_other_spelling() -> None:
    found = parts(b'{"sourceValue":1,"source_value":null,"value":"x"}')
    assert found.source == [Part("source_value", b"null"), Part("sourceValue", b"1")]
    assert found.value == [Part("value", b'"x"')]


def test_the_members_under_value_are_found_in_any_case() -> None:
    members = parts(b'{"VALUE":1,"value":2,"name":3}')
    assert members.value == [Part("value", b"2"), Part("VALUE", b"1")]


@pytest.mark.parametrize(
    ("json", "text"),
    [
        (b'{"label":" ","name":"x","id":["y"],"isOpen":true}', "x"),
        (b'{"label":{"colour":""},"id":["y"],"isOpen":true}', "y"),
        (b'{"label":" ","id":[""],"isOpen":true}', "true"),
        (b'{"label":{"colour":"x"},"name":"y"}', '{"colour":"x"}'),
        (b'{"label":"x","source_value":"","value":"y"}', "y"),
        (b'[null,{"label":"x"}]', "x"),
        (b'["x","x"]', '["x","x"]'),
        (b'{"label":" "}', '{"label":" "}'),
    ],
)
def test_the_first_part_with_content_provides_the_text(json: bytes, text: str) -> None:
    assert text_of(json) == text


@pytest.mark.parametrize("json", [b"null", b'" "', b'[null,""]', b'{"label":"_","id":[[]]}'])
def test_a_value_without_content_has_no_filled_text(json: bytes) -> None:
    assert filled_text(json) is None


def test_only_distinct_elements_with_content_count() -> None:
    wid = b'{"attributes":{"wd:type":"WID"},"$value":"ab12"}'
    other = b'{"attributes":{"wd:type":"Other"},"$value":"ab12"}'
    json = b'[null, "a", "" ,[], "a",' + wid + b"," + other + b"]"
    assert elements_with_content(json) == [Element(1, b'"a"', 2), Element(6, other, 1)]


@pytest.mark.parametrize(
    "json",
    [
        b'{"attributes":{"wd:type":"WID"},"$value":"x"}',
        b'{"attributes":{"type":"WID"},"$value":"x"}',
        b'{"$":{"wd:type":"WID"},"_":"x"}',
        b'{"wd:type":"WID","$value":"x"}',
        b'{"type":"WID","$value":"x"}',
        b'{"@wd:type":"WID","#text":"x"}',
        b'{"@type":"WID","#text":"x"}',
    ],
)
def test_a_workday_id_is_not_an_element(json: bytes) -> None:
    assert elements_with_content(b'["Open",' + json + b"]") == [Element(0, b'"Open"', 1)]


@pytest.mark.parametrize(
    "json",
    [
        b'{"attributes":{"wd:type":"wid"},"$value":"x"}',
        b'{"attributes":{"kind":"WID"},"$value":"x"}',
        b'{"attributes":"WID","$value":"x"}',
        b'{"attributes":["type","WID"],"$value":"x"}',
        b'{"type":["WID"],"$value":"x"}',
        b'{"wd:type":"Other","$value":"WID"}',
        b'"WID"',
    ],
)
def test_an_element_similar_to_a_workday_id_counts(json: bytes) -> None:
    assert len(elements_with_content(b"[" + json + b"]")) == 1


def test_containers_with_over_half_a_million_commas_are_not_searched() -> None:
    at_limit = b"[" + b"0," * MAX_COMMAS + b"0]"
    assert is_searched(at_limit, 1)
    assert not is_searched(at_limit[:-1] + b",0]", 1)
    assert text_of(b"[" + b"null," * (MAX_COMMAS + 1) + b'"x"]').startswith("[null,")


def test_compact_keeps_numbers_and_escapes() -> None:
    json = b'{ "a\\u00e9" : [ 1.00 , 2E+05 , "x  y\\/" ] , "b" : { } }'
    assert compact(json) == '{"a\\u00e9":[1.00,2E+05,"x  y\\/"],"b":{}}'
