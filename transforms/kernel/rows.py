"""The row format: the places of an event's texts. Imports no Numba.

A row has a place for each field below: where the text of the field starts and ends in the buffer of
its rows, in bytes, or MISSING twice if the payload has no such field or null. The text of a string
is without its quotation marks, that of a status is JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.kernel.buffers import (
    Int32s,
    Int32Vector,
    Int64Cube,
    Int64s,
    address_of,
    padded,
)

EVENT_TYPE, EVENT_DATE, PROJECT_ID, ACCOUNT_ID, PROVIDER, RECORD_TYPE, DEFAULT_PROVIDER = range(7)
CONTEXT_FIELDS = 7
"""The first fields. A row that lacks one has the text of its context. Only contexts have a default
provider: that of the run's options, which is not part of the event's identity."""

JOB_ID, REMOTE_JOB_ID, LEGACY_STATUS, CREATED_AT, UPDATED_AT, JOB_STATUS = range(7, 13)
POSTING_ID, REMOTE_POSTING_ID = range(13, 15)
PAYLOAD = 15
"""The whole text of the event."""

FIELDS = 16
START, END = 0, 1
MISSING = -1

EVENT_TIME, DATE_OF_EVENT, JOB_CREATED_AT, JOB_UPDATED_AT = range(4)
TIMES = 4
"""The time of an event is the first that can be read of the others: its date, update, creation."""

DATE_UNREADABLE, CREATED_UNREADABLE, UPDATED_UNREADABLE, WITHOUT_JOB_ID = 1, 2, 4, 8

UNREADABLE = -(2**63)
"""Stands for a time that is missing or cannot be read."""


class TextBuffer:
    """Collects texts in a buffer, and their places."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._ends: list[int] = []
        self._size = 0

    def add(self, *texts: str | bytes | None) -> None:
        """Adds texts; None stands for a missing one."""
        end = self._size
        for text in texts:
            if text is None:
                self._ends += (MISSING, MISSING)
            else:
                encoded = text.encode() if isinstance(text, str) else text
                self._parts.append(encoded)
                start, end = end, end + len(encoded)
                self._ends += (start, end)
        self._size = end

    def text(self) -> bytes:
        """Returns the buffer."""
        return padded(*self._parts)

    def places(self) -> Int64s:
        """Returns the start and end of each text."""
        return np.array(self._ends, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Contexts:
    """The texts that are known of payloads from outside them.

    Attributes:
        text: The buffer of the places.
        places: Start and end for each context and each of CONTEXT_FIELDS.
        tails: Start and end of the last fields of each context's records, encoded as Avro.
    """

    text: bytes
    places: Int64s
    tails: Int64s

    @staticmethod
    def of(contexts: Sequence[tuple[Sequence[str | None], bytes]]) -> Contexts:
        """Makes the texts of contexts from the fields and the tail of each."""
        buffer = TextBuffer()
        for fields, tail in contexts:
            buffer.add(*fields, tail)
        places = buffer.places().reshape(-1, CONTEXT_FIELDS + 1, 2)
        return Contexts(
            buffer.text(),
            np.ascontiguousarray(places[:, :CONTEXT_FIELDS]),
            np.ascontiguousarray(places[:, CONTEXT_FIELDS]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows whose texts are in one buffer.

    Attributes:
        text: The buffer.
        places: Start and end for each row and each of FIELDS.
        offsets: Offset of each payload in the source, in bytes.
        context_of: The number of each row's context.
    """

    text: bytes
    places: Int64s
    offsets: Int64s
    context_of: Int32s

    def __len__(self) -> int:
        return len(self.offsets)

    def payload(self, row: int) -> bytes:
        """Returns the text of a row's event."""
        start, end = self.places[row, PAYLOAD].tolist()
        return self.text[start:end]

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        """Joins at least one part of rows that have the same buffer."""
        if len(parts) == 1:
            return parts[0]
        return Rows(
            parts[0].text,
            np.concatenate([each.places for each in parts]),
            np.concatenate([each.offsets for each in parts]),
            np.concatenate([each.context_of for each in parts]),
        )

    def taken(self, which: NDArray[Any]) -> Rows:
        """Returns some of the rows: a mask or their numbers."""
        return Rows(self.text, self.places[which], self.offsets[which], self.context_of[which])


class Places(NamedTuple):
    """The places of rows and of their contexts, as kernels get them.

    Attributes:
        text: Address of the buffer of the rows.
        places: This and the next, see `Rows`.
        context_of: See there.
        beside: Address of the buffer of the contexts.
        context_places: See `Contexts`.
    """

    text: int
    places: Int64Cube
    context_of: Int32Vector
    beside: int
    context_places: Int64Cube

    @staticmethod
    def of(rows: Rows, contexts: Contexts) -> Places:
        """Returns the places of rows, which the caller must keep alive."""
        beside = address_of(contexts.text)
        return Places(address_of(rows.text), rows.places, rows.context_of, beside, contexts.places)


@dataclass(frozen=True, slots=True, eq=False)
class FinishedRows:
    """Rows and what is computed of them.

    Attributes:
        rows: The rows.
        contexts: Their contexts.
        times: The TIMES of each row, in microseconds since 1970, or UNREADABLE.
        ids: The identity of each row, as two words, lowest byte first.
        combinations: The number of each row's combination.
        notes: Bits for each row: DATE_UNREADABLE, CREATED_UNREADABLE and UPDATED_UNREADABLE if a
            time is given, but cannot be read; WITHOUT_JOB_ID.
    """

    rows: Rows
    contexts: Contexts
    times: Int64s
    ids: NDArray[np.uint64]
    combinations: Int32s
    notes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    def text(self, row: int, field: int) -> bytes | None:
        """Returns the text of a field of a row or of its context."""
        start, end = self.rows.places[row, field].tolist()
        if start != MISSING:
            return self.rows.text[start:end]
        if field < CONTEXT_FIELDS:
            start, end = self.contexts.places[self.rows.context_of[row], field].tolist()
            if start != MISSING:
                return self.contexts.text[start:end]
        return None

    def taken(self, which: NDArray[Any]) -> FinishedRows:
        """Returns some of the rows: a mask or their numbers."""
        return FinishedRows(
            self.rows.taken(which),
            self.contexts,
            self.times[which],
            self.ids[which],
            self.combinations[which],
            self.notes[which],
        )


NO_ROWS = FinishedRows(
    Rows(
        padded(), np.empty((0, FIELDS, 2), np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
    ),
    Contexts.of([]),
    np.empty((0, TIMES), np.int64),
    np.empty((0, 2), np.uint64),
    np.empty(0, np.int32),
    np.empty(0, np.uint8),
)
