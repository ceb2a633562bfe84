"""Counts the shapes of timestamps that cannot be read. A shape reveals no value."""

from __future__ import annotations

from string import ascii_letters, digits

import pyarrow as pa
import pyarrow.compute as pc

from schemas.counts import MAX_SHAPES, Counts, add_counts

_MAX_LENGTH = 40

_CONTROLS = bytes([*range(ord(" ")), 0x7F])
_TABLE = bytes.maketrans(
    ascii_letters.encode() + digits.encode() + _CONTROLS,
    b"a" * len(ascii_letters) + b"9" * len(digits) + b"?" * len(_CONTROLS),
)


def shape_of(text: str) -> str:
    """Returns the shape of a text: digits as 9, letters as a, all but printable ASCII as `?`.

    A long text has an ellipsis. An empty one is called `empty`.
    """
    shape = text[:_MAX_LENGTH].encode("ascii", "replace").translate(_TABLE).decode()
    return f"{shape}…" if len(text) > _MAX_LENGTH else shape or "empty"


def unreadable_shapes(texts: pa.StringArray, times: pa.TimestampArray) -> Counts:
    """Counts the shapes of the texts whose time is null, the most frequent first.

    Only MAX_SHAPES shapes have a count; the rest is counted together.
    """
    if times.null_count == texts.null_count:
        return {}
    shapes: Counts = {}
    distinct = texts.filter(pc.and_not(times.is_null(), texts.is_null())).value_counts()
    for text, count in zip(*(each.to_pylist() for each in distinct.flatten()), strict=True):
        shape = shape_of(text)
        shapes[shape] = shapes.get(shape, 0) + count
    counts: Counts = {}
    add_counts(counts, dict(sorted(shapes.items(), key=lambda item: -item[1])), MAX_SHAPES)
    return counts
