"""Finds the jobs of ordinary pages: objects or arrays that hold payloads in an array.

A page is ordinary if it is valid JSON in all its parts and its used fields are as those of an
ordinary payload (see `scanning`). Its elements may be anything; each is scanned as a payload.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.core import types

from transforms.kernel import json_text, rows, scanning
from transforms.kernel.buffers import Int64s, address_of
from transforms.kernel.compiling import compiled, entry, int32s, int64, int64s
from transforms.kernel.octets import byte_at, set_word

NO_PAGE, PAGE, ARRAY = 0, 1, 2

_PART = 1000
"""Most elements that are scanned at a time."""


@compiled
def array_start(at: int, line_feed: int) -> int:
    """Returns the address of the first element of an array, or 0 if it has none."""
    first = json_text.white_end(at + 1, line_feed)
    return 0 if byte_at(first) == json_text.CLOSE_ARRAY else first


@entry(types.UniTuple(int64, 2)(int64, int64, int64, int64, int64))
def find(text: int, start: int, end: int, line_feed: int, scratch: int) -> tuple[int, int]:
    """Finds the elements of a page or an array that is a whole payload.

    Args:
        text: Address of the buffer of the payload.
        start: Where it starts, in bytes.
        end: Where it ends.
        line_feed: See `json_text`.
        scratch: Address of scanning.SCRATCH_BYTES bytes. Takes the slots of the page's fields.

    Returns:
        NO_PAGE, PAGE or ARRAY; and where the first element starts, in bytes.
    """
    for slot in range(scanning.SLOTS):
        set_word(scratch + scanning.SLOT_BYTES * slot, np.uint64(0))
    nesting = scratch + scanning.SLOTS * scanning.SLOT_BYTES
    nothing = NO_PAGE, 0
    stop = text + end
    at = json_text.white_end(text + start, line_feed)
    if byte_at(at) == json_text.OPEN_ARRAY:
        elements = array_start(at, line_feed)
        at = json_text.value_end(at, 0, nesting, line_feed)
        if elements == 0 or at < 0 or json_text.white_end(at, line_feed) < stop:
            return nothing
        return ARRAY, elements - text
    if byte_at(at) != json_text.OPEN_OBJECT:
        return nothing
    at = json_text.white_end(at + 1, line_feed)
    seen = 0
    in_event_data = 0
    in_data = 0
    while True:
        if byte_at(at) != json_text.QUOTE:
            return nothing
        key = at + 1
        at, is_escaped = json_text.string_end(key)
        if at < 0 or is_escaped:
            return nothing
        field = scanning.field_of(key, at - key)
        at = json_text.colon_end(at + 1, line_feed)
        if at < 0:
            return nothing
        is_array_field = field == scanning.EVENT_DATA or field == scanning.DATA
        is_record_id = field == scanning.RECORD_ID or field == scanning.RECORD_REMOTE_ID
        is_text_field = 0 <= field <= rows.PROVIDER or is_record_id
        if is_array_field or is_text_field:
            if (seen >> field) & 1:
                return nothing
            seen |= 1 << field
        if is_array_field:
            if byte_at(at) == json_text.OPEN_ARRAY:
                if field == scanning.DATA:
                    in_data = array_start(at, line_feed)
                else:
                    in_event_data = array_start(at, line_feed)
            elif not json_text.is_null(at):
                return nothing
            at = json_text.value_end(at, 1, nesting, line_feed)
        elif is_text_field:
            at = scanning.text_end(at, field, scratch, field)
        else:
            at = json_text.value_end(at, 1, nesting, line_feed)
        if at < 0:
            return nothing
        at = json_text.white_end(at, line_feed)
        if byte_at(at) == json_text.COMMA:
            at = json_text.white_end(at + 1, line_feed)
            continue
        if byte_at(at) != json_text.CLOSE_OBJECT or json_text.white_end(at + 1, line_feed) < stop:
            return nothing
        elements = in_event_data if in_event_data else in_data
        return (PAGE, elements - text) if elements else nothing


@entry(
    types.UniTuple(int64, 3)(
        *(int64, int64, int64, int64, int64),
        *(int64s, int64s, types.int64[:, :, ::1], int32s, int32s, int64),
    )
)
def scan_elements(
    text: int,
    at: int,
    line_feed: int,
    limit: int,
    most_bytes: int,
    starts: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray,
    payload_of: np.ndarray,
    others: np.ndarray,
    scratch: int,
) -> tuple[int, int, int]:
    """Scans the next elements of an array that `find` has checked, as payloads.

    Args:
        text: Address of the buffer.
        at: Where the first of them starts, in bytes.
        line_feed: See `json_text`.
        limit: The longest element that is ordinary, in bytes.
        most_bytes: Stops after the element with which they have as many bytes.
        starts: Takes where each element starts.
        ends: Takes where each element ends.
        places: This and the next three, see `scanning.scan`.
        payload_of: See there.
        others: See there.
        scratch: See there.

    Returns:
        The number of elements; of rows; and where the next element starts, or 0 after the last.
    """
    at += text
    nesting = scratch + scanning.SLOTS * scanning.SLOT_BYTES
    stop = at + most_bytes
    count = row = 0
    while count < len(starts) and at < stop:
        start = at
        kind, at = scanning.scan_payload(start, 0, scratch, line_feed)
        if kind == scanning.NOT_ORDINARY:
            at = json_text.value_end(start, 0, nesting, line_feed)
        starts[count] = start - text
        ends[count] = at - text
        if kind == scanning.NOT_ORDINARY or at - start > limit:
            others[count - row] = count
        else:
            scanning.set_row(places, row, text, scratch, kind, start - text, at - text)
            payload_of[row] = count
            row += 1
        count += 1
        at = json_text.white_end(at, line_feed)
        if byte_at(at) != json_text.COMMA:
            return count, row, 0
        at = json_text.white_end(at + 1, line_feed)
    return count, row, at - text


class Page(NamedTuple):
    """A page or an array.

    Attributes:
        fields: The texts of its fields, those of a row up to rows.PROVIDER.
        are_jobs: True if each element must be a job because of its place.
        start: Where its first element starts in the buffer.
    """

    fields: list[bytes | None]
    are_jobs: bool
    start: int


class Elements(NamedTuple):
    """Some elements of a page.

    Attributes:
        starts: Where each starts in the buffer.
        ends: Where each ends.
        scanned: The result of scanning them.
        next: Where the next element starts, or 0 after the last.
    """

    starts: Int64s
    ends: Int64s
    scanned: scanning.Scanned
    next: int


class PageFinder:
    """Finds pages and scans their elements; holds the memory for it."""

    def __init__(self) -> None:
        self._results = (
            np.empty(_PART, np.int64),
            np.empty(_PART, np.int64),
            np.empty((_PART, rows.FIELDS, 2), np.int64),
            np.empty(_PART, np.int32),
            np.empty(_PART, np.int32),
        )
        self._scratch = np.empty(scanning.SCRATCH_BYTES, np.uint8)
        self._scratch_address = address_of(self._scratch)
        # Finding an address takes longer than most payloads.
        self._text, self._address = b"", 0
        self._slots = (
            self._scratch[: scanning.SLOT_BYTES * (rows.PROVIDER + 1)].view(np.int64).reshape(-1, 2)
        )

    def find(self, text: bytes, start: int, end: int, line_feed: int) -> Page | None:
        """Returns the ordinary page that the bytes [start, end) are, or None."""
        if text is not self._text:
            self._text, self._address = text, address_of(text)
        address = self._address
        kind, elements = find(address, start, end, line_feed, self._scratch_address)
        if kind == NO_PAGE:
            return None
        fields = [
            None if first == 0 else text[first - address : last - address]
            for first, last in self._slots.tolist()
        ]
        return Page(fields, kind == PAGE, elements)

    def scan(
        self, text: bytes, start: int, line_feed: int, limit: int, most_bytes: int
    ) -> Elements:
        """Scans some elements of a page, of which the first starts at `start`.

        The last one is that with which they have `most_bytes`, or an earlier one. Elements over
        `limit` bytes are not ordinary.
        """
        count, found, after = scan_elements(
            address_of(text),
            start,
            line_feed,
            limit,
            most_bytes,
            *self._results,
            self._scratch_address,
        )
        starts, ends, places, payload_of, others = self._results
        scanned = scanning.Scanned(
            places[:found].copy(), payload_of[:found].copy(), others[: count - found].copy()
        )
        return Elements(starts[:count].copy(), ends[:count].copy(), scanned, after)
