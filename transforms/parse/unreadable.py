"""Counts the shapes of timestamps that cannot be read. A shape reveals no value."""

from __future__ import annotations

from collections import Counter
from string import ascii_letters, digits

import numpy as np

from schemas.counts import MAX_SHAPES, Counts, add_counts
from transforms.kernel import FinishedRows
from transforms.parse.timestamps import TIMESTAMP_FIELDS

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


def unreadable_shapes(events: FinishedRows) -> dict[str, Counts]:
    """Counts the shapes of the timestamps that cannot be read, by field.

    Of each field, only the MAX_SHAPES most frequent shapes have a count; the rest is counted
    together.
    """
    counts: dict[str, Counts] = {}
    for name, (bit, field, _) in TIMESTAMP_FIELDS.items():
        rows = np.flatnonzero(events.notes & bit).tolist()
        texts = Counter(events.text(row, field) or b"" for row in rows)
        shapes: Counter[str] = Counter()
        for text, count in texts.items():
            shapes[shape_of(text.decode())] += count
        if shapes:
            counts[name] = {}
            add_counts(counts[name], dict(shapes.most_common()), MAX_SHAPES)
    return counts
