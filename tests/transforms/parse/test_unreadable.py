"""Timestamps that cannot be read are counted by their shape, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.counts import MAX_SHAPES
from tests.transforms.kernel.rows import finished
from transforms.kernel.rows import CREATED_AT
from transforms.parse.unreadable import shape_of, unreadable_shapes


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("2025-05-01T10:00:00", "9999-99-99a99:99:99"),
        ("1 mai 2025", "9 aaa 9999"),
        ("1er août", "9aa aa?a"),
        ("\x1b[31m\t", "?[99a?"),
        ("", "empty"),
        ("x" * 40, "a" * 40),
        ("x" * 41, "a" * 40 + "…"),
    ],
)
def test_a_shape_has_no_digit_and_no_letter_of_the_text(text: str, shape: str) -> None:
    assert shape_of(text) == shape


@given(st.text())
def test_a_shape_is_short_and_printable(text: str) -> None:
    shape = shape_of(text)
    assert shape.isprintable()
    assert 0 < len(shape) <= 41


def _shapes(*texts: str | None) -> dict[str, int]:
    return unreadable_shapes(finished([{CREATED_AT: text} for text in texts])).get("created_at", {})


def test_only_texts_that_cannot_be_read_are_counted() -> None:
    assert _shapes("2025-05-01T10:00:00Z", None) == {}
    assert _shapes("2025-05-01T10:00:00Z", None, "tomorrow", "soon", "late") == {
        "aaaa": 2,
        "aaaaaaaa": 1,
    }


def test_the_most_frequent_shapes_have_their_own_count() -> None:
    shapes = _shapes(*("-" * length for length in range(1, 40)), "x", "y")
    assert len(shapes) == MAX_SHAPES + 1
    assert next(iter(shapes.items())) == ("a", 2)
    assert shapes["other"] == 39 - (MAX_SHAPES - 1)
