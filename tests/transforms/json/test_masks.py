"""The masks replace the parts that a decoder rejects, and keep the rest of a text."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import JSON, LONE
from transforms.json import masks
from transforms.json.masks import (
    container_spans,
    depth,
    mask_depth,
    mask_invalid_utf8,
    mask_lone_surrogates,
)

_PIECES = st.lists(
    st.sampled_from(
        [b"[", b"]", b"{", b"}", b'"', b"\\", b"x", b"\\u", b"d800", b"\xff", b"\xe2\x82"]
    )
).map(b"".join)


def _depth(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


@given(JSON)
def test_depth_of_a_text_is_the_depth_of_its_value(text: str) -> None:
    # A list keeps the values of duplicate keys, which a dictionary loses.
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


@given(_PIECES, st.integers(1, 7))
def test_depth_and_masks_do_not_depend_on_the_size_of_a_chunk(text: bytes, chunk: int) -> None:
    whole, masked = depth(text), mask_depth(text, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "_CHUNK_BYTES", chunk)
        assert depth(text) == whole
        assert mask_depth(text, 2) == masked


@given(_PIECES, st.integers(0, 4))
def test_a_mask_keeps_the_length_and_masking_again_changes_nothing(text: bytes, limit: int) -> None:
    for mask in (mask_invalid_utf8, mask_lone_surrogates, lambda each: mask_depth(each, limit)):
        masked = mask(text)
        assert len(masked) == len(text)
        assert mask(masked) == masked
    assert depth(mask_depth(text, limit)) <= limit
    mask_invalid_utf8(text).decode()


@given(JSON, st.integers(0, 3))
def test_json_whose_deep_parts_are_masked_is_still_json(text: str, limit: int) -> None:
    masked = mask_depth(text.encode(), limit)
    assert _depth(json.loads(masked)) <= limit
    if depth(text.encode()) <= limit:
        assert masked == text.encode()


@pytest.mark.parametrize("lone", LONE)
def test_lone_surrogates_are_masked_and_pairs_are_not(lone: str) -> None:
    text = rf'[{lone},"\ud83d\ude00","\\ud800"]'.encode()
    masked = mask_lone_surrogates(text)
    assert masked != text
    assert msgspec.json.decode(masked)[1:] == ["😀", "\\ud800"]


@given(st.lists(JSON.filter(lambda text: text.lstrip()[:1] in ("{", "[")), max_size=4))
def test_containers_that_follow_one_another_are_found(texts: list[str]) -> None:
    whole = " ".join(texts).encode()
    found = [whole[start:end].strip() for start, end in container_spans(whole)]
    assert found == [text.encode().strip() for text in texts]


@pytest.mark.parametrize(
    "text", [b"", b" ", b"{} x {}", b"{}}", b"}{", b'"{}" {}', b"[],[]", b"1 {}"]
)
def test_other_text_has_no_containers_that_follow_one_another(text: bytes) -> None:
    assert not len(container_spans(text))


def test_a_container_without_an_end_extends_to_the_end_of_the_text() -> None:
    assert container_spans(b'{} {"a":[1}').tolist() == [[0, 2], [3, 11]]
