"""Types and positions of values in exact JSON text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.transforms.event_cases import JSON
from transforms.json.decoders import decode_array
from transforms.json.text import kind_of, spans_of


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
def test_the_first_character_decides_the_type(text: bytes, kind: str) -> None:
    assert kind_of(text) == kind
    assert kind_of(Raw(text)) == kind


@given(st.lists(JSON, max_size=5), st.sampled_from(["", " ", "\n "]))
def test_spans_are_the_positions_of_the_elements(elements: list[str], white: str) -> None:
    whole = f"{white}[{white}{f'{white},{white}'.join(elements)}{white}]".encode()
    starts, ends = spans_of(decode_array(whole), whole)
    found = [whole[start:end] for start, end in zip(starts, ends, strict=True)]
    assert found == [element.encode() for element in elements]
