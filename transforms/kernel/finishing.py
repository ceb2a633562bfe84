"""Finishes rows, whichever way they were found: their times, identities and combinations."""

from __future__ import annotations

import secrets

import numpy as np

from transforms.kernel import rows
from transforms.kernel.blake2b import (
    BLOCK_BYTES,
    HASH_SCRATCH_BYTES,
    LANES,
    Messages,
    digests,
)
from transforms.kernel.buffers import (
    PADDING,
    ByteVector,
    Int32Vector,
    Int64Matrix,
    Int64s,
    Octets,
    Uint64Matrix,
    address_of,
)
from transforms.kernel.combinations import COMBINED, Table, number_of
from transforms.kernel.compiling import entry, inlined
from transforms.kernel.octets import copied, set_byte
from transforms.kernel.timestamps import NO_OFFSET, parse_timestamp

IDENTITY_FIELDS = (
    *(rows.RECORD_TYPE, rows.ACCOUNT_ID, rows.PROVIDER, rows.EVENT_TYPE, rows.EVENT_DATE),
    *(rows.JOB_ID, rows.REMOTE_JOB_ID, rows.POSTING_ID, rows.REMOTE_POSTING_ID),
    *(rows.CREATED_AT, rows.UPDATED_AT, rows.JOB_STATUS, rows.LEGACY_STATUS),
)
"""The fields of `event_id`, in this order. The time of sending is not part of it."""

ID_FIELDS = (rows.JOB_ID, rows.REMOTE_JOB_ID, rows.POSTING_ID, rows.REMOTE_POSTING_ID)

_FRAME_BYTES = 5
"""A field adds a byte 1, its length in four bytes, and its text; a missing one adds a byte 0."""


@inlined
def resolve(texts: Int64Matrix, places: rows.Places, row: int) -> None:
    """Sets the start and end of each field of a row as addresses; 0 if it is missing.

    The text of the payload wins over that of its context.
    """
    own, beside = places.places, places.context_places
    context = places.context_of[row]
    for field in range(rows.FIELDS):
        start = own[row, field, rows.START]
        if start != rows.MISSING:
            texts[field, rows.START] = places.text + start
            texts[field, rows.END] = places.text + own[row, field, rows.END]
        elif field < rows.CONTEXT_FIELDS and beside[context, field, rows.START] != rows.MISSING:
            texts[field, rows.START] = places.beside + beside[context, field, rows.START]
            texts[field, rows.END] = places.beside + beside[context, field, rows.END]
        else:
            texts[field, rows.START] = 0
            texts[field, rows.END] = 0


@inlined
def use_default_provider(texts: Int64Matrix) -> None:
    """Gives an event without a provider that of its context's defaults."""
    if texts[rows.PROVIDER, rows.START] == 0:
        texts[rows.PROVIDER, rows.START] = texts[rows.DEFAULT_PROVIDER, rows.START]
        texts[rows.PROVIDER, rows.END] = texts[rows.DEFAULT_PROVIDER, rows.END]


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
def time_of(texts: Int64Matrix, field: int) -> int:
    """Returns the time of a field, or rows.UNREADABLE."""
    if texts[field, rows.START] == 0:
        return rows.UNREADABLE
    return parse_timestamp(texts[field, rows.START], texts[field, rows.END], NO_OFFSET)


@entry
def finish(
    places: rows.Places,
    first: int,
    table: Table,
    messages: Messages,
    texts: Int64Matrix,
    times: Int64Matrix,
    ids: Uint64Matrix,
    combinations: Int32Vector,
    notes: ByteVector,
) -> int:
    """Finishes rows from `first` on.

    Args:
        places: The rows.
        first: A multiple of LANES.
        table: The combinations so far.
        messages: Memory for what is hashed.
        texts: Memory for the addresses of a row's fields.
        times: This and the next three take the results, see `FinishedRows`.
        ids: See there.
        combinations: See there.
        notes: See there.

    Returns:
        The number of rows that are finished. If it is not that of all rows, the next one needs more
        room for its message or its combination.
    """
    count = len(places.places)
    for row in range(first, count):
        resolve(texts, places, row)
        size = 0
        for index in range(len(IDENTITY_FIELDS)):
            field = IDENTITY_FIELDS[index]
            size += texts[field, rows.END] - texts[field, rows.START] + _FRAME_BYTES
        id_bytes = 0
        for index in range(len(ID_FIELDS)):
            id_bytes += texts[ID_FIELDS[index], rows.END] - texts[ID_FIELDS[index], rows.START]
        if id_bytes == 0:
            size += texts[rows.PAYLOAD, rows.END] - texts[rows.PAYLOAD, rows.START]
        if size + BLOCK_BYTES > messages.room:
            return row - row % LANES
        lane = row % LANES
        message = messages.start + lane * messages.room
        at = message
        for index in range(len(IDENTITY_FIELDS)):
            field = IDENTITY_FIELDS[index]
            at = framed(at, texts[field, rows.START], texts[field, rows.END])
        if id_bytes == 0:
            # So the rule never gives two different events one identity.
            at = copied(at, texts[rows.PAYLOAD, rows.START], texts[rows.PAYLOAD, rows.END])
        messages.lengths[lane] = at - message
        if lane == LANES - 1:
            digests(messages, ids, row - lane)

        use_default_provider(texts)
        number = number_of(texts, table)
        if number < 0:
            return row - row % LANES
        combinations[row] = number

        date, created, updated = (
            time_of(texts, rows.EVENT_DATE),
            time_of(texts, rows.CREATED_AT),
            time_of(texts, rows.UPDATED_AT),
        )
        notes[row] = (
            (date == rows.UNREADABLE and texts[rows.EVENT_DATE, rows.START] != 0)
            + 2 * (created == rows.UNREADABLE and texts[rows.CREATED_AT, rows.START] != 0)
            + 4 * (updated == rows.UNREADABLE and texts[rows.UPDATED_AT, rows.START] != 0)
            + 8 * (texts[rows.JOB_ID, rows.START] == 0)
        )
        times[row, rows.DATE_OF_EVENT] = date
        times[row, rows.JOB_CREATED_AT] = created
        times[row, rows.JOB_UPDATED_AT] = updated
        if date == rows.UNREADABLE:
            date = updated if updated != rows.UNREADABLE else created
        times[row, rows.EVENT_TIME] = date
    rest = count % LANES
    if rest:
        for lane in range(rest, LANES):
            messages.lengths[lane] = 0
        digests(messages, ids, count - rest)
    return count


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
        self._numbers = np.full(_TABLE_PLACES, rows.MISSING, np.int32)
        self._places: Int64s = np.empty((1024, len(COMBINED), 2), np.int64)
        self._arena: Octets = np.empty((1 << 16) + len(PADDING), np.uint8)
        self._used = np.zeros(2, np.int64)
        self._returned = [0, 0]
        self._lengths = np.empty(LANES, np.int64)
        self._scratch = np.empty(HASH_SCRATCH_BYTES, np.uint8)
        self._set_room(_ROOM)
        self._texts = np.empty((rows.FIELDS, 2), np.int64)

    @property
    def is_full(self) -> bool:
        """True if the table has so many combinations that it should be replaced."""
        return bool(self._used[0] > _MOST_COMBINATIONS or self._used[1] > _MOST_BYTES)

    def __len__(self) -> int:
        return int(self._used[0])

    def finish(self, found: rows.Rows, contexts: rows.Contexts) -> rows.FinishedRows:
        """Finishes rows, and adds their new combinations."""
        count = len(found)
        results = (
            np.empty((count, rows.TIMES), np.int64),
            np.empty((count, 2), np.uint64),
            np.empty(count, np.int32),
            np.empty(count, np.uint8),
        )
        places = rows.Places.of(found, contexts)
        done = finish(places, 0, self._known(), self._messages(), self._texts, *results)
        while done < count:
            self._make_room(found, contexts, done)
            done = finish(places, done, self._known(), self._messages(), self._texts, *results)
        if self._room > _MOST_ROOM:
            self._set_room(_ROOM)
        return rows.FinishedRows(found, contexts, *results)

    def _known(self) -> Table:
        arena = address_of(self._arena)
        arena_bytes = len(self._arena) - len(PADDING)
        return Table(self._seed, self._numbers, self._places, arena, arena_bytes, self._used)

    def _messages(self) -> Messages:
        scratch = address_of(self._scratch)
        return Messages(address_of(self._memory), self._room, self._lengths, scratch)

    def _make_room(self, found: rows.Rows, contexts: rows.Contexts, row: int) -> None:
        """Makes room for the next rows, at least for the LANES rows from `row` on."""
        some = slice(row, row + LANES)
        sizes = np.diff(found.places[some], axis=2).sum(axis=(1, 2))
        context_sizes = np.diff(contexts.places, axis=2).sum(axis=(1, 2))
        sizes += context_sizes[found.context_of[some]] + _FRAME_BYTES * rows.FIELDS
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
        self._memory = np.empty(LANES * room, np.uint8)

    def new_texts(self) -> list[list[bytes | None]]:
        """Returns the texts, in the order of COMBINED, of the combinations since the last call."""
        first, first_byte = self._returned
        count, size = self._returned = self._used.tolist()
        arena = self._arena[first_byte:size].tobytes()
        places = self._places[first:count] - first_byte
        return [
            [None if start < 0 else arena[start:end] for start, end in combination]
            for combination in places.tolist()
        ]
