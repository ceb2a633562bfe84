"""JSON text looked at without decoding it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tests.transforms.event_cases import JSON, LONE
from transforms.json import text as json_text
from transforms.json.text import (
    depth,
    kind_of,
    mask_depth,
    mask_invalid_utf8,
    mask_lone_surrogates,
    spans_of,
)

_decode_array = msgspec.json.Decoder(list[Raw]).decode

_PIECES = st.lists(
    st.sampled_from(
        [b"[", b"]", b"{", b"}", b'"', b"\\", b"x", b"\\u", b"d800", b"\xff", b"\xe2\x82"]
    )
).map(b"".join)


def _depth(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b" \t\r\n{}", "object"),
        (b"[]", "array"),
        (b'"x"', "string"),
        (b"true", "boolean"),
        (b"false", "boolean"),
        (b"null", "null"),
        (b"-1", "number"),
        (b"", "number"),
        (b"  ", "number"),
        (b"?", "number"),
    ],
)
def test_kind_is_told_by_the_first_character(text: bytes, kind: str) -> None:
    assert kind_of(text) == kind
    assert kind_of(Raw(text)) == kind


@given(JSON)
def test_depth_is_that_of_the_value(text: str) -> None:
    # As lists, so that the values of lost duplicates count as well.
    value = json.loads(text, object_pairs_hook=lambda pairs: [value for _, value in pairs])
    assert depth(text.encode()) == _depth(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'["[[["]', 1),
        (rb'["\"[[["]', 1),
        (rb'["\\",[[]]]', 3),
        (rb'["\\\"[[[["]', 1),
        (rb'["[[[[[[', 1),
        (rb"[[[", 3),
        (rb"]]][[", 0),
        (rb'"\\"[[', 2),
        (b"", 0),
    ],
)
def test_depth_counts_only_brackets_outside_strings(text: bytes, expected: int) -> None:
    assert depth(text) == expected


@settings(max_examples=200)
@given(_PIECES, st.integers(1, 7))
def test_depth_does_not_depend_on_where_a_text_is_cut(text: bytes, chunk: int) -> None:
    whole, covered = depth(text), mask_depth(text, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_CHUNK_BYTES", chunk)
        assert depth(text) == whole
        assert mask_depth(text, 2) == covered


@settings(max_examples=200)
@given(_PIECES, st.integers(0, 4))
def test_what_is_covered_up_keeps_its_length_and_is_covered_once(text: bytes, limit: int) -> None:
    covers = (
        mask_invalid_utf8,
        mask_lone_surrogates,
        lambda each: mask_depth(each, limit),
    )
    for cover in covers:
        covered = cover(text)
        assert len(covered) == len(text)
        assert cover(covered) == covered
    assert depth(mask_depth(text, limit)) <= limit
    mask_invalid_utf8(text).decode()


@given(JSON, st.integers(0, 3))
def test_covering_what_is_too_deep_leaves_json(text: str, limit: int) -> None:
    covered = mask_depth(text.encode(), limit)
    assert _depth(json.loads(covered)) <= limit
    if depth(text.encode()) <= limit:
        assert covered == text.encode()


@pytest.mark.parametrize("lone", LONE)
def test_lone_surrogates_are_covered_up_and_pairs_are_not(lone: str) -> None:
    text = rf'[{lone},"\ud83d\ude00","\\ud800"]'.encode()
    covered = mask_lone_surrogates(text)
    assert covered != text
    assert msgspec.json.decode(covered)[1:] == ["😀", "\\ud800"]


@given(st.lists(JSON, max_size=5), st.sampled_from(["", " ", "\n "]))
def test_spans_are_where_the_elements_stand(elements: list[str], white: str) -> None:
    whole = f"{white}[{white}{f'{white},{white}'.join(elements)}{white}]".encode()
    starts, ends = spans_of(_decode_array(whole), whole)
    found = [whole[start:end] for start, end in zip(starts, ends, strict=True)]
    assert found == [element.encode() for element in elements]
