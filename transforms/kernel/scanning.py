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

from transforms.kernel import json_text, rows
from transforms.kernel.buffers import (
    Int32s,
    Int32Vector,
    Int64Cube,
    Int64s,
    Int64Vector,
    address_of,
)
from transforms.kernel.compiling import compiled, entry, inlined
from transforms.kernel.octets import LOWEST_BYTES, byte_at, set_word, word_at

# The fields of a payload are the fields of a row up to rows.JOB_STATUS, with these in addition.
RECORD_ID, RECORD_REMOTE_ID, EVENT_DATA, DATA = range(rows.JOB_STATUS + 1, rows.JOB_STATUS + 5)
IN_JOB = DATA + 1 - rows.JOB_ID
"""Added to a field of a job inside an envelope: the envelope may have one of the same name."""

SLOTS = rows.JOB_STATUS + IN_JOB + 1
SLOT_BYTES = 16
"""A slot holds the start and the end of a field as addresses, or 0 as the start."""

SCRATCH_BYTES = SLOTS * SLOT_BYTES + json_text.MAX_NESTING + 1
"""Memory that `scan` needs: the slots, then one byte for each level of nesting."""

KEYS = {
    b"event": rows.EVENT_TYPE,
    b"event_date": rows.EVENT_DATE,
    b"project_id": rows.PROJECT_ID,
    b"account_id": rows.ACCOUNT_ID,
    b"provider": rows.PROVIDER,
    b"record_id": RECORD_ID,
    b"record_remote_id": RECORD_REMOTE_ID,
    b"event_data": EVENT_DATA,
    b"data": DATA,
    b"id": rows.JOB_ID,
    b"remote_id": rows.REMOTE_JOB_ID,
    b"status": rows.LEGACY_STATUS,
    b"created_at": rows.CREATED_AT,
    b"updated_at": rows.UPDATED_AT,
    b"job_status": rows.JOB_STATUS,
}

_ID_FIELDS = sum(
    1 << field
    for field in (
        rows.PROJECT_ID,
        rows.ACCOUNT_ID,
        RECORD_ID,
        RECORD_REMOTE_ID,
        rows.JOB_ID,
        rows.REMOTE_JOB_ID,
    )
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
_KEY_FIELDS = np.full(1 << _TABLE_BITS, json_text.FAULTY, np.int64)
for _key, _field in KEYS.items():
    _place = _table_place(_key, _factor)
    _KEY_WORDS[_place], _KEY_LENGTHS[_place], _KEY_FIELDS[_place] = _words(_key), len(_key), _field


@inlined
def field_of(start: int, length: int) -> int:
    """Returns the field that a key of a length names, or json_text.FAULTY."""
    if length > _LONGEST_KEY or length < _SHORTEST_KEY:
        return json_text.FAULTY
    word = word_at(start) & LOWEST_BYTES[min(length, 8)]
    second = np.uint64(length + 32 * byte_at(start + length - 1))
    place = np.intp((word * _FACTOR + second * _SECOND) >> _SHIFT)
    if _KEY_LENGTHS[place] != length or _KEY_WORDS[place, 0] != word:
        return json_text.FAULTY
    if length > 8 and word_at(start + 8) & LOWEST_BYTES[length - 8] != _KEY_WORDS[place, 1]:
        return json_text.FAULTY
    return int(_KEY_FIELDS[place])


@inlined
def id_end(at: int) -> int:
    """Skips a positive whole number that is not too long for an id."""
    if not json_text.ONE <= byte_at(at) <= json_text.NINE:
        return json_text.FAULTY
    start = at
    at = json_text.digits_end(at)
    if (
        at - start > _ID_DIGITS
        or byte_at(at) == json_text.DOT
        or byte_at(at) | json_text.IN_LOWER_CASE == json_text.LOWER_E
    ):
        return json_text.FAULTY
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
    if byte_at(at) == json_text.QUOTE:
        start = at + 1
        at, is_escaped = json_text.string_end(start)
        if at < 0 or is_escaped:
            return json_text.FAULTY
        set_slot(slots, slot, start, at)
        return at + 1
    if byte_at(at) == json_text.LOWER_N:
        return at + 4 if json_text.is_null(at) else json_text.FAULTY
    if not (_ID_FIELDS >> field) & 1:
        return json_text.FAULTY
    start = at
    at = id_end(start)
    if at >= 0:
        set_slot(slots, slot, start, at)
    return at


@inlined
def array_end(at: int, depth: int, slots: int, slot: int, nesting: int, line_feed: int) -> int:
    """Skips an array and sets a slot to its elements, if it has any."""
    start = json_text.white_end(at + 1, line_feed)
    at = json_text.value_end(at, depth, nesting, line_feed)
    if at >= 0 and byte_at(start) != json_text.CLOSE_ARRAY:
        set_slot(slots, slot, start, at)
    return at


NOT_ORDINARY, FLAT, WITH_JOB, PAGE, ARRAY = range(5)


@compiled
def scan_payload(
    at: int, end: int, scratch: int, line_feed: int, with_pages: bool
) -> tuple[int, int]:
    """Scans one payload, the bytes [at, end).

    Args:
        at: Its address.
        end: The address after it; 0 if it ends wherever its object does.
        scratch: Address of SCRATCH_BYTES bytes. Takes the slots of its fields.
        line_feed: See `json_text`.
        with_pages: True to find only pages and arrays, which are not ordinary if it is False.

    Returns:
        NOT_ORDINARY; or where its job is: FLAT, or WITH_JOB for an object inside the envelope; or
        PAGE or ARRAY, with the first element in the slot of EVENT_DATA or of DATA. Then the address
        after the payload.
    """
    for slot in range(SLOTS):
        set_word(scratch + SLOT_BYTES * slot, np.uint64(0))
    slots, nesting = scratch, scratch + SLOTS * SLOT_BYTES
    nothing = NOT_ORDINARY, 0
    at = json_text.white_end(at, line_feed)
    if byte_at(at) == json_text.OPEN_ARRAY and with_pages:
        at = array_end(at, 0, slots, DATA, nesting, line_feed)
        has_elements = slot_start(slots, DATA) and json_text.white_end(at, line_feed) >= end
        return (ARRAY, at) if has_elements else nothing
    if byte_at(at) != json_text.OPEN_OBJECT:
        return nothing
    at = json_text.white_end(at + 1, line_feed)
    kind = FLAT
    in_job = 0
    seen = 0
    has_data = False
    while True:
        # At a key.
        if byte_at(at) != json_text.QUOTE:
            return nothing
        start = at + 1
        at, is_escaped = json_text.string_end(start)
        if at < 0 or is_escaped:
            return nothing
        field = field_of(start, at - start)
        at = json_text.colon_end(at + 1, line_feed)
        if at < 0:
            return nothing
        # A page does not use the fields of a job, and a job only these.
        is_of_job = rows.JOB_ID <= field <= rows.JOB_STATUS
        if field < 0 or (is_of_job if with_pages else in_job != 0 and not is_of_job):
            at = json_text.value_end(at, 2 if in_job else 1, nesting, line_feed)
        else:
            slot = field + in_job
            if (seen >> slot) & 1:
                return nothing
            seen |= 1 << slot
            if field < rows.JOB_STATUS or field == RECORD_ID or field == RECORD_REMOTE_ID:
                at = text_end(at, field, slots, slot)
            elif field == rows.JOB_STATUS:
                start = at
                at = json_text.value_end(at, 2 if in_job else 1, nesting, line_feed)
                if at >= 0 and byte_at(start) != json_text.LOWER_N:
                    set_slot(slots, slot, start, at)
            elif byte_at(at) == json_text.OPEN_OBJECT and kind == FLAT:
                kind = WITH_JOB
                in_job = IN_JOB
                at = json_text.white_end(at + 1, line_feed)
                continue
            elif byte_at(at) == json_text.OPEN_ARRAY and with_pages and kind != WITH_JOB:
                kind = PAGE
                at = array_end(at, 1, slots, field, nesting, line_feed)
            elif field == DATA:
                # An array may hold many jobs. Beside a job in `event_data`, it is not used.
                if byte_at(at) != json_text.LOWER_N and kind != WITH_JOB:
                    return nothing
                has_data = True
                at = json_text.value_end(at, 1, nesting, line_feed)
            elif json_text.is_null(at):
                at += 4
            else:
                return nothing
        if at < 0:
            return nothing
        while True:
            # After a value.
            at = json_text.white_end(at, line_feed)
            character = byte_at(at)
            at += 1
            if character == json_text.COMMA:
                at = json_text.white_end(at, line_feed)
                break
            if character != json_text.CLOSE_OBJECT:
                return nothing
            if in_job:
                in_job = 0
                continue
            if kind == FLAT:
                has_key = slot_start(slots, rows.JOB_ID) or slot_start(slots, rows.EVENT_TYPE)
                is_ordinary = has_key != 0 and not has_data
            else:
                elements = slot_start(slots, EVENT_DATA) or slot_start(slots, DATA)
                is_ordinary = kind == WITH_JOB or elements != 0
            # White space may end in the next payload only after the end of this one.
            if is_ordinary and json_text.white_end(at, line_feed) >= end:
                return kind, at
            return nothing


@inlined
def set_place(places: np.ndarray, row: int, field: int, text: int, slots: int, slot: int) -> None:
    """Sets the place of a field of a row from a slot."""
    start = slot_start(slots, slot)
    if start != 0:
        places[row, field, rows.START] = start - text
        places[row, field, rows.END] = np.int64(word_at(slots + SLOT_BYTES * slot + 8)) - text


@inlined
def set_row(
    places: np.ndarray, row: int, text: int, slots: int, kind: int, start: int, end: int
) -> None:
    """Sets the places of a row from the slots of an ordinary payload, the bytes [start, end)."""
    job = IN_JOB if kind == WITH_JOB else 0
    for field in range(rows.FIELDS):
        places[row, field, rows.START] = rows.MISSING
        places[row, field, rows.END] = rows.MISSING
    for field in range(rows.JOB_ID):
        set_place(places, row, field, text, slots, field)
    for field in range(rows.JOB_ID, rows.JOB_STATUS + 1):
        set_place(places, row, field, text, slots, field + job)
    if places[row, rows.JOB_ID, rows.START] == rows.MISSING:
        set_place(places, row, rows.JOB_ID, text, slots, RECORD_ID)
    if places[row, rows.REMOTE_JOB_ID, rows.START] == rows.MISSING:
        set_place(places, row, rows.REMOTE_JOB_ID, text, slots, RECORD_REMOTE_ID)
    places[row, rows.PAYLOAD, rows.START] = start
    places[row, rows.PAYLOAD, rows.END] = end


@entry
def scan(
    text: int,
    starts: Int64Vector,
    ends: Int64Vector,
    line_feed: int,
    places: Int64Cube,
    payload_of: Int32Vector,
    others: Int32Vector,
    scratch: int,
) -> int:
    """Scans payloads.

    Args:
        text: Address of their buffer.
        starts: Where each payload starts in the buffer, in bytes.
        ends: Where each payload ends.
        line_feed: See `json_text`.
        places: Takes the rows of ordinary payloads.
        payload_of: Takes the number of each row's payload.
        others: Takes the numbers of the other payloads.
        scratch: Address of SCRATCH_BYTES bytes.

    Returns:
        The number of rows.
    """
    row = 0
    for number in range(len(starts)):
        start, end = starts[number], ends[number]
        kind, _ = scan_payload(text + start, text + end, scratch, line_feed, False)
        if kind == NOT_ORDINARY:
            others[number - row] = number
        else:
            set_row(places, row, text, scratch, kind, start, end)
            payload_of[row] = number
            row += 1
    return row


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

    def scan(self, text: bytes, starts: Int64s, ends: Int64s, line_feed: int) -> Scanned:
        """Scans payloads of a buffer."""
        count = len(starts)
        places = np.empty((count, rows.FIELDS, 2), np.int64)
        payload_of, others = np.empty(count, np.int32), np.empty(count, np.int32)
        scratch = address_of(self._scratch)
        found = scan(address_of(text), starts, ends, line_feed, places, payload_of, others, scratch)
        return Scanned(places[:found], payload_of[:found], others[: count - found])
