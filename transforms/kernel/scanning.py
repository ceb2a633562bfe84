"""Finds the fields of ordinary payloads: each becomes a row in one pass over its text.

A payload is ordinary if

- it is valid JSON in all its parts, by the rules of `json_text`;
- it is an envelope around one job, in `event_data` or in `data`, or an event or a job without one;
- its used fields are strings without escapes, or null; an id may also be a positive whole number;
  a `job_status` may be any value;
- no used field occurs twice, and no key of the two objects has an escape.

All other payloads, also those that are not JSON, are left to the slow path. This scanner may call
any payload not ordinary. It never finds anything else in a payload than the slow path.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.core import types

from transforms.kernel.buffers import Int32s, Int64s, address_of
from transforms.kernel.compiling import compiled, entry, inlined, int32s, int64, int64s
from transforms.kernel.json_text import (
    CLOSE_OBJECT,
    COMMA,
    DOT,
    FAULTY,
    IN_LOWER_CASE,
    LOWER_E,
    LOWER_N,
    MAX_NESTING,
    NINE,
    ONE,
    OPEN_OBJECT,
    QUOTE,
    colon_end,
    digits_end,
    is_null,
    string_end,
    value_end,
    white_end,
)
from transforms.kernel.octets import LOWEST_BYTES, byte_at, set_word, word_at
from transforms.kernel.rows import (
    ACCOUNT_ID,
    CREATED_AT,
    END,
    EVENT_DATE,
    EVENT_TYPE,
    FIELDS,
    JOB_ID,
    JOB_STATUS,
    LEGACY_STATUS,
    MISSING,
    PAYLOAD,
    PROJECT_ID,
    PROVIDER,
    REMOTE_JOB_ID,
    START,
    UPDATED_AT,
)

# The fields of a payload are the fields of a row up to JOB_STATUS, with these in addition.
RECORD_ID, RECORD_REMOTE_ID, EVENT_DATA, DATA = range(JOB_STATUS + 1, JOB_STATUS + 5)
IN_JOB = DATA + 1 - JOB_ID
"""Added to a field of a job inside an envelope: the envelope may have one of the same name."""

SLOTS = JOB_STATUS + IN_JOB + 1
SLOT_BYTES = 16
"""A slot holds the start and the end of a field as addresses, or 0 as the start."""

SCRATCH_BYTES = SLOTS * SLOT_BYTES + MAX_NESTING + 1
"""Memory that `scan` needs: the slots, then one byte for each level of nesting."""

KEYS = {
    b"event": EVENT_TYPE,
    b"event_date": EVENT_DATE,
    b"project_id": PROJECT_ID,
    b"account_id": ACCOUNT_ID,
    b"provider": PROVIDER,
    b"record_id": RECORD_ID,
    b"record_remote_id": RECORD_REMOTE_ID,
    b"event_data": EVENT_DATA,
    b"data": DATA,
    b"id": JOB_ID,
    b"remote_id": REMOTE_JOB_ID,
    b"status": LEGACY_STATUS,
    b"created_at": CREATED_AT,
    b"updated_at": UPDATED_AT,
    b"job_status": JOB_STATUS,
}

_ID_FIELDS = sum(
    1 << field
    for field in (PROJECT_ID, ACCOUNT_ID, RECORD_ID, RECORD_REMOTE_ID, JOB_ID, REMOTE_JOB_ID)
)
_ID_DIGITS = 18
"""The slow path reads numbers up to 10**18 as their text. Longer ones are not ordinary."""

# A key is found in a table by a product of its first eight bytes, its length and its last byte.
_LONGEST_KEY = max(map(len, KEYS))
_SHORTEST_KEY = min(map(len, KEYS))
_TABLE_BITS = 6
_SECOND_FACTOR = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio spreads small numbers


def _words(key: bytes) -> list[int]:
    return [int.from_bytes(key.ljust(16, b"\0")[at : at + 8], "little") for at in (0, 8)]


def _table_place(key: bytes, factor: int) -> int:
    second = len(key) + 32 * key[-1]
    product = _words(key)[0] * factor + second * _SECOND_FACTOR
    return product % 2**64 >> (64 - _TABLE_BITS)


def _perfect_factor() -> int:
    """Returns a factor that gives each key its own place."""
    factor = 0x2545F4914F6CDD1D
    while len({_table_place(key, factor) for key in KEYS}) < len(KEYS):
        factor = (factor * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
    return factor


_factor = _perfect_factor()
_FACTOR, _SECOND = np.uint64(_factor), np.uint64(_SECOND_FACTOR)
_SHIFT = np.uint64(64 - _TABLE_BITS)
_KEY_WORDS = np.zeros((1 << _TABLE_BITS, 2), np.uint64)
_KEY_LENGTHS = np.zeros(1 << _TABLE_BITS, np.int64)
_KEY_FIELDS = np.full(1 << _TABLE_BITS, FAULTY, np.int64)
for _key, _field in KEYS.items():
    _place = _table_place(_key, _factor)
    _KEY_WORDS[_place], _KEY_LENGTHS[_place], _KEY_FIELDS[_place] = _words(_key), len(_key), _field


@inlined
def field_of(start: int, length: int) -> int:
    """Returns the field that a key of a length names, or FAULTY."""
    if length > _LONGEST_KEY or length < _SHORTEST_KEY:
        return FAULTY
    word = word_at(start) & LOWEST_BYTES[min(length, 8)]
    second = np.uint64(length + 32 * byte_at(start + length - 1))
    place = np.intp((word * _FACTOR + second * _SECOND) >> _SHIFT)
    if _KEY_LENGTHS[place] != length or _KEY_WORDS[place, 0] != word:
        return FAULTY
    if length > 8 and word_at(start + 8) & LOWEST_BYTES[length - 8] != _KEY_WORDS[place, 1]:
        return FAULTY
    return int(_KEY_FIELDS[place])


@inlined
def id_end(at: int) -> int:
    """Skips a positive whole number that is not too long for an id."""
    if not ONE <= byte_at(at) <= NINE:
        return FAULTY
    start = at
    at = digits_end(at)
    if at - start > _ID_DIGITS or byte_at(at) == DOT or byte_at(at) | IN_LOWER_CASE == LOWER_E:
        return FAULTY
    return at


@inlined
def set_slot(slots: int, slot: int, start: int, end: int) -> None:
    """Sets the addresses of a field."""
    set_word(slots + SLOT_BYTES * slot, np.uint64(start))
    set_word(slots + SLOT_BYTES * slot + 8, np.uint64(end))


@inlined
def slot_start(slots: int, slot: int) -> int:
    """Returns the address of a field, or 0 if it is missing."""
    return int(np.int64(word_at(slots + SLOT_BYTES * slot)))


@inlined
def text_end(at: int, field: int, slots: int, slot: int) -> int:
    """Skips the value of a used field that is a text, an id or null, and sets its slot."""
    if byte_at(at) == QUOTE:
        start = at + 1
        at, is_escaped = string_end(start)
        if at < 0 or is_escaped:
            return FAULTY
        set_slot(slots, slot, start, at)
        return at + 1
    if byte_at(at) == LOWER_N:
        return at + 4 if is_null(at) else FAULTY
    if not (_ID_FIELDS >> field) & 1:
        return FAULTY
    start = at
    at = id_end(start)
    if at >= 0:
        set_slot(slots, slot, start, at)
    return at


NOT_ORDINARY, FLAT, WITH_JOB = 0, 1, 2


@compiled
def scan_payload(at: int, end: int, slots: int, nesting: int, line_feed: int) -> int:
    """Scans one payload, the bytes [at, end).

    Args:
        at: Its address.
        end: The address after it.
        slots: Address of the slots, all of them missing.
        nesting: See `container_end`.
        line_feed: See `json_text`.

    Returns:
        NOT_ORDINARY; or where its job is: FLAT, or WITH_JOB for an object inside the envelope.
    """
    at = white_end(at, line_feed)
    if byte_at(at) != OPEN_OBJECT:
        return NOT_ORDINARY
    at = white_end(at + 1, line_feed)
    kind = FLAT
    in_job = 0
    seen = 0
    has_data = False
    while True:
        # At a key.
        if byte_at(at) != QUOTE:
            return NOT_ORDINARY
        start = at + 1
        at, is_escaped = string_end(start)
        if at < 0 or is_escaped:
            return NOT_ORDINARY
        field = field_of(start, at - start)
        at = colon_end(at + 1, line_feed)
        if at < 0:
            return NOT_ORDINARY
        if field < 0 or (in_job != 0 and not JOB_ID <= field <= JOB_STATUS):
            at = value_end(at, 2 if in_job else 1, nesting, line_feed)
        else:
            slot = field + in_job
            if (seen >> slot) & 1:
                return NOT_ORDINARY
            seen |= 1 << slot
            if field < JOB_STATUS or field == RECORD_ID or field == RECORD_REMOTE_ID:
                at = text_end(at, field, slots, slot)
            elif field == JOB_STATUS:
                start = at
                at = value_end(at, 2 if in_job else 1, nesting, line_feed)
                if at >= 0 and byte_at(start) != LOWER_N:
                    set_slot(slots, slot, start, at)
            elif byte_at(at) == OPEN_OBJECT and kind == FLAT:
                kind = WITH_JOB
                in_job = IN_JOB
                at = white_end(at + 1, line_feed)
                continue
            elif field == DATA:
                # An array may hold many jobs. Beside a job in `event_data`, it is not used.
                if byte_at(at) != LOWER_N and kind == FLAT:
                    return NOT_ORDINARY
                has_data = True
                at = value_end(at, 1, nesting, line_feed)
            elif is_null(at):
                at += 4
            else:
                return NOT_ORDINARY
        if at < 0:
            return NOT_ORDINARY
        while True:
            # After a value.
            at = white_end(at, line_feed)
            character = byte_at(at)
            at += 1
            if character == COMMA:
                at = white_end(at, line_feed)
                break
            if character != CLOSE_OBJECT:
                return NOT_ORDINARY
            if in_job:
                in_job = 0
                continue
            is_event = (
                kind == WITH_JOB or slot_start(slots, JOB_ID) or slot_start(slots, EVENT_TYPE)
            )
            if not is_event or (kind == FLAT and has_data):
                return NOT_ORDINARY
            # White space may end in the next payload only after the end of this one.
            return kind if white_end(at, line_feed) >= end else NOT_ORDINARY


@inlined
def set_place(places: np.ndarray, row: int, field: int, text: int, slots: int, slot: int) -> None:
    """Sets the place of a field of a row from a slot."""
    start = slot_start(slots, slot)
    if start != 0:
        places[row, field, START] = start - text
        places[row, field, END] = np.int64(word_at(slots + SLOT_BYTES * slot + 8)) - text


@entry(int64(int64, int64s, int64s, int64, int64, types.int64[:, :, ::1], int32s, int32s, int64))
def scan(
    text: int,
    starts: np.ndarray,
    ends: np.ndarray,
    limit: int,
    line_feed: int,
    places: np.ndarray,
    payload_of: np.ndarray,
    others: np.ndarray,
    scratch: int,
) -> int:
    """Scans payloads.

    Args:
        text: Address of their buffer.
        starts: Where each payload starts in the buffer, in bytes.
        ends: Where each payload ends.
        limit: The longest payload that is ordinary, in bytes.
        line_feed: See `json_text`.
        places: Takes the rows of ordinary payloads.
        payload_of: Takes the number of each row's payload.
        others: Takes the numbers of the other payloads.
        scratch: Address of SCRATCH_BYTES bytes.

    Returns:
        The number of rows.
    """
    nesting = scratch + SLOTS * SLOT_BYTES
    rows = 0
    for number in range(len(starts)):
        for slot in range(SLOTS):
            set_word(scratch + SLOT_BYTES * slot, np.uint64(0))
        kind = NOT_ORDINARY
        if ends[number] - starts[number] <= limit:
            kind = scan_payload(
                text + starts[number], text + ends[number], scratch, nesting, line_feed
            )
        if kind == NOT_ORDINARY:
            others[number - rows] = number
            continue
        job = IN_JOB if kind == WITH_JOB else 0
        for field in range(FIELDS):
            places[rows, field, START] = MISSING
            places[rows, field, END] = MISSING
        for field in range(JOB_ID):
            set_place(places, rows, field, text, scratch, field)
        for field in range(JOB_ID, JOB_STATUS + 1):
            set_place(places, rows, field, text, scratch, field + job)
        if places[rows, JOB_ID, START] == MISSING:
            set_place(places, rows, JOB_ID, text, scratch, RECORD_ID)
        if places[rows, REMOTE_JOB_ID, START] == MISSING:
            set_place(places, rows, REMOTE_JOB_ID, text, scratch, RECORD_REMOTE_ID)
        places[rows, PAYLOAD, START] = starts[number]
        places[rows, PAYLOAD, END] = ends[number]
        payload_of[rows] = number
        rows += 1
    return rows


class Scanned(NamedTuple):
    """The result of scanning payloads.

    Attributes:
        places: The rows of the ordinary payloads, see `Rows`.
        payload_of: The number of each row's payload.
        others: The numbers of the other payloads.
    """

    places: Int64s
    payload_of: Int32s
    others: Int32s


class Scanner:
    """Scans payloads; holds the memory for it."""

    def __init__(self) -> None:
        self._scratch = np.empty(SCRATCH_BYTES, np.uint8)

    def scan(
        self, text: bytes, starts: Int64s, ends: Int64s, limit: int, line_feed: int
    ) -> Scanned:
        """Scans payloads of a buffer; those over `limit` bytes are not ordinary."""
        count = len(starts)
        places = np.empty((count, FIELDS, 2), np.int64)
        payload_of, others = np.empty(count, np.int32), np.empty(count, np.int32)
        rows = scan(
            address_of(text),
            starts,
            ends,
            limit,
            line_feed,
            places,
            payload_of,
            others,
            address_of(self._scratch),
        )
        return Scanned(places[:rows], payload_of[:rows], others[: count - rows])
