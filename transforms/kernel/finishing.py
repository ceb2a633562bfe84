"""Finishes rows, whichever way they were found: their times, identities and combinations."""

from __future__ import annotations

import secrets

import numpy as np
from numba.core import types

from transforms.kernel.blake2b import BLOCK_BYTES, HASH_SCRATCH_BYTES, LANES, digests
from transforms.kernel.buffers import PADDING, Int64s, Octets, address_of
from transforms.kernel.combinations import COMBINED, number_of
from transforms.kernel.compiling import entry, inlined, int32s, int64, int64s, uint8s
from transforms.kernel.octets import copied, set_byte
from transforms.kernel.rows import (
    ACCOUNT_ID,
    CONTEXT_FIELDS,
    CREATED_AT,
    DATE_OF_EVENT,
    DEFAULT_PROVIDER,
    END,
    EVENT_DATE,
    EVENT_TIME,
    EVENT_TYPE,
    FIELDS,
    JOB_CREATED_AT,
    JOB_ID,
    JOB_STATUS,
    JOB_UPDATED_AT,
    LEGACY_STATUS,
    MISSING,
    PAYLOAD,
    POSTING_ID,
    PROVIDER,
    RECORD_TYPE,
    REMOTE_JOB_ID,
    REMOTE_POSTING_ID,
    START,
    TIMES,
    UNREADABLE,
    UPDATED_AT,
    Contexts,
    FinishedRows,
    Rows,
)
from transforms.kernel.timestamps import NO_OFFSET, parse_timestamp

IDENTITY_FIELDS = (
    *(RECORD_TYPE, ACCOUNT_ID, PROVIDER, EVENT_TYPE, EVENT_DATE),
    *(JOB_ID, REMOTE_JOB_ID, POSTING_ID, REMOTE_POSTING_ID),
    *(CREATED_AT, UPDATED_AT, JOB_STATUS, LEGACY_STATUS),
)
"""The fields of `event_id`, in this order. The time of sending is not part of it."""

ID_FIELDS = (JOB_ID, REMOTE_JOB_ID, POSTING_ID, REMOTE_POSTING_ID)

_FRAME_BYTES = 5
"""A field adds a byte 1, its length in four bytes, and its text; a missing one adds a byte 0."""


@inlined
def resolve(
    texts: np.ndarray,
    text: int,
    places: np.ndarray,
    row: int,
    beside: int,
    context_places: np.ndarray,
    context: int,
) -> None:
    """Sets the start and end of each field of a row as addresses; 0 if it is missing.

    The text of the payload wins over that of its context.
    """
    for field in range(FIELDS):
        start = places[row, field, START]
        if start != MISSING:
            texts[field, START] = text + start
            texts[field, END] = text + places[row, field, END]
        elif field < CONTEXT_FIELDS and context_places[context, field, START] != MISSING:
            texts[field, START] = beside + context_places[context, field, START]
            texts[field, END] = beside + context_places[context, field, END]
        else:
            texts[field, START] = 0
            texts[field, END] = 0


@inlined
def use_default_provider(texts: np.ndarray) -> None:
    """Gives an event without a provider that of its context's defaults."""
    if texts[PROVIDER, START] == 0:
        texts[PROVIDER, START] = texts[DEFAULT_PROVIDER, START]
        texts[PROVIDER, END] = texts[DEFAULT_PROVIDER, END]


@inlined
def framed(target: int, start: int, end: int) -> int:
    """Writes a field of the identity; returns the address after it."""
    if start == 0:
        set_byte(target, 0)
        return target + 1
    length = end - start
    set_byte(target, 1)
    for place in range(4):
        set_byte(target + 1 + place, length >> (24 - 8 * place))
    return copied(target + _FRAME_BYTES, start, end)


@inlined
def time_of(texts: np.ndarray, field: int) -> int:
    """Returns the time of a field, or UNREADABLE."""
    if texts[field, START] == 0:
        return UNREADABLE
    return parse_timestamp(texts[field, START], texts[field, END], NO_OFFSET)


@entry(
    int64(
        *(int64, types.int64[:, :, ::1], int32s, int64, int64, types.int64[:, :, ::1]),
        *(types.uint64, int32s, types.int64[:, :, ::1], int64, int64, int64s),
        *(int64, int64, types.int64[:, ::1], int64s, int64),
        *(types.int64[:, ::1], types.uint64[:, ::1], int32s, uint8s),
    )
)
def finish(
    text: int,
    places: np.ndarray,
    context_of: np.ndarray,
    first: int,
    beside: int,
    context_places: np.ndarray,
    seed: np.uint64,
    table: np.ndarray,
    known: np.ndarray,
    arena: int,
    arena_bytes: int,
    used: np.ndarray,
    messages: int,
    room: int,
    texts: np.ndarray,
    lengths: np.ndarray,
    scratch: int,
    times: np.ndarray,
    ids: np.ndarray,
    combinations: np.ndarray,
    notes: np.ndarray,
) -> int:
    """Finishes rows from `first` on.

    Args:
        text: Address of the buffer of the rows.
        places: See `Rows`.
        context_of: See `Rows`.
        first: A multiple of LANES.
        beside: Address of the buffer of the contexts.
        context_places: See `Contexts`.
        seed: This and the next five are the table, see `combinations.number_of`.
        table: See there.
        known: See there.
        arena: See there.
        arena_bytes: See there.
        used: See there.
        messages: Address of LANES times `room` bytes.
        room: The longest message that can be hashed, with a block to spare.
        texts: Memory for the addresses of a row's fields.
        lengths: Memory for the lengths of the messages.
        scratch: See `blake2b.digests`.
        times: Takes the times of each row.
        ids: Takes the identity of each row.
        combinations: Takes the number of each row's combination.
        notes: Takes the notes about each row, see `FinishedRows`.

    Returns:
        The number of rows that are finished. If it is not that of all rows, the next one needs more
        room for its message or its combination.
    """
    for row in range(first, len(places)):
        resolve(texts, text, places, row, beside, context_places, context_of[row])
        size = 0
        for index in range(len(IDENTITY_FIELDS)):
            field = IDENTITY_FIELDS[index]
            size += texts[field, END] - texts[field, START] + _FRAME_BYTES
        id_bytes = 0
        for index in range(len(ID_FIELDS)):
            id_bytes += texts[ID_FIELDS[index], END] - texts[ID_FIELDS[index], START]
        if id_bytes == 0:
            size += texts[PAYLOAD, END] - texts[PAYLOAD, START]
        if size + BLOCK_BYTES > room:
            return row - row % LANES
        lane = row % LANES
        message = messages + lane * room
        at = message
        for index in range(len(IDENTITY_FIELDS)):
            field = IDENTITY_FIELDS[index]
            at = framed(at, texts[field, START], texts[field, END])
        if id_bytes == 0:
            # So the rule never gives two different events one identity.
            at = copied(at, texts[PAYLOAD, START], texts[PAYLOAD, END])
        lengths[lane] = at - message
        if lane == LANES - 1:
            digests(messages, room, lengths, scratch, ids, row - lane)

        use_default_provider(texts)
        number = number_of(texts, seed, table, known, arena, arena_bytes, used)
        if number < 0:
            return row - row % LANES
        combinations[row] = number

        date, created, updated = (
            time_of(texts, EVENT_DATE),
            time_of(texts, CREATED_AT),
            time_of(texts, UPDATED_AT),
        )
        notes[row] = (
            (date == UNREADABLE and texts[EVENT_DATE, START] != 0)
            + 2 * (created == UNREADABLE and texts[CREATED_AT, START] != 0)
            + 4 * (updated == UNREADABLE and texts[UPDATED_AT, START] != 0)
            + 8 * (texts[JOB_ID, START] == 0)
        )
        times[row, DATE_OF_EVENT] = date
        times[row, JOB_CREATED_AT] = created
        times[row, JOB_UPDATED_AT] = updated
        if date == UNREADABLE:
            date = updated if updated != UNREADABLE else created
        times[row, EVENT_TIME] = date
    rest = len(places) % LANES
    if rest:
        for lane in range(rest, LANES):
            lengths[lane] = 0
        digests(messages, room, lengths, scratch, ids, len(places) - rest)
    return len(places)


_TABLE_PLACES = 1 << 17
_MOST_COMBINATIONS = 1 << 15
"""A table with more combinations is not used for another block. A block adds at most its rows, so a
table is never more than half full."""
_MOST_BYTES = 8 << 20
_ROOM = 4096
"""Room for a message at first, in bytes. Nearly all are shorter than 512."""
_MOST_ROOM = 1 << 16
"""More room than this is given back after the block that needed it."""


class Combinations:
    """The table of the combinations so far, and the memory for finishing rows.

    `new_texts` returns the combinations by number. `is_full` says that the table should be replaced
    by a new one before the next block.
    """

    def __init__(self) -> None:
        self._seed = np.uint64(secrets.randbits(64))
        self._table = np.full(_TABLE_PLACES, MISSING, np.int32)
        self._places: Int64s = np.empty((1024, len(COMBINED), 2), np.int64)
        self._arena: Octets = np.empty((1 << 16) + len(PADDING), np.uint8)
        self._used = np.zeros(2, np.int64)
        self._returned = [0, 0]
        self._set_room(_ROOM)
        self._texts = np.empty((FIELDS, 2), np.int64)
        self._lengths = np.empty(LANES, np.int64)
        self._scratch = np.empty(HASH_SCRATCH_BYTES, np.uint8)

    @property
    def is_full(self) -> bool:
        """True if the table has so many combinations that it should be replaced."""
        return bool(self._used[0] > _MOST_COMBINATIONS or self._used[1] > _MOST_BYTES)

    def __len__(self) -> int:
        return int(self._used[0])

    def finish(self, rows: Rows, contexts: Contexts) -> FinishedRows:
        """Finishes rows, and adds their new combinations."""
        count = len(rows)
        times = np.empty((count, TIMES), np.int64)
        ids = np.empty((count, 2), np.uint64)
        combinations = np.empty(count, np.int32)
        notes = np.empty(count, np.uint8)
        done = 0
        while True:
            done = finish(
                address_of(rows.text),
                rows.places,
                rows.context_of,
                done,
                address_of(contexts.text),
                contexts.places,
                self._seed,
                self._table,
                self._places,
                address_of(self._arena),
                len(self._arena) - len(PADDING),
                self._used,
                address_of(self._messages),
                self._room,
                self._texts,
                self._lengths,
                address_of(self._scratch),
                times,
                ids,
                combinations,
                notes,
            )
            if done == count:
                if self._room > _MOST_ROOM:
                    self._set_room(_ROOM)
                return FinishedRows(rows, contexts, times, ids, combinations, notes)
            self._make_room(rows, contexts, done)

    def _make_room(self, rows: Rows, contexts: Contexts, row: int) -> None:
        """Makes room for the next rows, at least for the LANES rows from `row` on."""
        some = slice(row, row + LANES)
        sizes = np.diff(rows.places[some], axis=2).sum(axis=(1, 2))
        context_sizes = np.diff(contexts.places, axis=2).sum(axis=(1, 2))
        sizes += context_sizes[rows.context_of[some]] + _FRAME_BYTES * FIELDS
        needed = -(int(sizes.max()) // -BLOCK_BYTES) * BLOCK_BYTES + 2 * BLOCK_BYTES
        if needed > self._room:
            self._set_room(needed)
        if self._used[0] + LANES > len(self._places):
            self._places = np.concatenate([self._places, np.empty_like(self._places)])
        if self._used[1] + sizes.sum() > len(self._arena) - len(PADDING):
            more = max(len(self._arena), int(sizes.sum()))
            self._arena = np.concatenate([self._arena, np.empty(more, np.uint8)])

    def _set_room(self, room: int) -> None:
        self._room = room
        self._messages = np.empty(LANES * room, np.uint8)

    def new_texts(self) -> list[list[bytes | None]]:
        """Returns the texts, in the order of COMBINED, of the combinations since the last call."""
        first, first_byte = self._returned
        count, size = self._returned = self._used.tolist()
        places = self._places[first:count]
        arena = self._arena[first_byte:size].tobytes()
        return [
            [None if start < 0 else arena[start:end] for start, end in combination]
            for combination in np.where(places == MISSING, MISSING, places - first_byte).tolist()
        ]
