"""Makes rows from the texts of their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from transforms.kernel.finishing import Combinations
from transforms.kernel.rows import CONTEXT_FIELDS, FIELDS, Contexts, FinishedRows, Rows, TextBuffer

NO_CONTEXT_TEXTS = Contexts.of([((None,) * CONTEXT_FIELDS, b"\x00\x00")])


def rows_of(events: Sequence[Mapping[int, str | bytes | None]]) -> Rows:
    """Makes rows; a field that an event does not have is missing, a payload is empty."""
    buffer = TextBuffer()
    for event in events:
        for field in range(FIELDS):
            text = event.get(field, b"" if field == FIELDS - 1 else None)
            buffer.add(text.encode() if isinstance(text, str) else text)
    count = len(events)
    places = buffer.places().reshape(count, FIELDS, 2)
    return Rows(buffer.text(), places, np.arange(count), np.zeros(count, np.int32))


def finished(
    events: Sequence[Mapping[int, str | bytes | None]], contexts: Contexts = NO_CONTEXT_TEXTS
) -> FinishedRows:
    """Finishes such rows with a new table."""
    return Combinations().finish(rows_of(events), contexts)
