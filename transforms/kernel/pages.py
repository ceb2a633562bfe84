"""Finds the jobs of ordinary pages: objects or arrays that hold payloads in an array.

A page is ordinary if it is valid JSON in all its parts and its used fields are as those of an
ordinary payload (see `scanning`). Its elements may be anything; each is scanned as a payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba.core import types

from transforms.kernel.buffers import Int64s, address_of
from transforms.kernel.compiling import compiled, entry, int64, int64s
from transforms.kernel.json_text import (
    CLOSE_ARRAY,
    CLOSE_OBJECT,
    COMMA,
    OPEN_ARRAY,
    OPEN_OBJECT,
    QUOTE,
    colon_end,
    is_null,
    string_end,
    value_end,
    white_end,
)
from transforms.kernel.octets import byte_at, set_word
from transforms.kernel.rows import PROVIDER
from transforms.kernel.scanning import (
    DATA,
    EVENT_DATA,
    RECORD_ID,
    RECORD_REMOTE_ID,
    SCRATCH_BYTES,
    SLOT_BYTES,
    SLOTS,
    field_of,
    text_end,
)

NO_PAGE, PAGE, ARRAY = 0, 1, 2


@compiled
def array_start(at: int, line_feed: int) -> int:
    """Returns the address of the first element of an array, or 0 if it has none."""
    first = white_end(at + 1, line_feed)
    return 0 if byte_at(first) == CLOSE_ARRAY else first


@entry(types.UniTuple(int64, 2)(int64, int64, int64, int64, int64))
def find(text: int, start: int, end: int, line_feed: int, scratch: int) -> tuple[int, int]:
    """Finds the elements of a page or an array that is a whole payload.

    Args:
        text: Address of the buffer of the payload.
        start: Where it starts, in bytes.
        end: Where it ends.
        line_feed: See `json_text`.
        scratch: Address of SCRATCH_BYTES bytes. Takes the slots of the page's fields.

    Returns:
        NO_PAGE, PAGE or ARRAY; and where the first element starts, in bytes.
    """
    for slot in range(SLOTS):
        set_word(scratch + SLOT_BYTES * slot, np.uint64(0))
    nesting = scratch + SLOTS * SLOT_BYTES
    nothing = NO_PAGE, 0
    stop = text + end
    at = white_end(text + start, line_feed)
    if byte_at(at) == OPEN_ARRAY:
        elements = array_start(at, line_feed)
        at = value_end(at, 0, nesting, line_feed)
        if elements == 0 or at < 0 or white_end(at, line_feed) < stop:
            return nothing
        return ARRAY, elements - text
    if byte_at(at) != OPEN_OBJECT:
        return nothing
    at = white_end(at + 1, line_feed)
    seen = 0
    in_event_data = 0
    in_data = 0
    while True:
        if byte_at(at) != QUOTE:
            return nothing
        key = at + 1
        at, is_escaped = string_end(key)
        if at < 0 or is_escaped:
            return nothing
        field = field_of(key, at - key)
        at = colon_end(at + 1, line_feed)
        if at < 0:
            return nothing
        is_array_field = field == EVENT_DATA or field == DATA
        is_record_id = field == RECORD_ID or field == RECORD_REMOTE_ID
        is_text_field = 0 <= field <= PROVIDER or is_record_id
        if is_array_field or is_text_field:
            if (seen >> field) & 1:
                return nothing
            seen |= 1 << field
        if is_array_field:
            if byte_at(at) == OPEN_ARRAY:
                if field == DATA:
                    in_data = array_start(at, line_feed)
                else:
                    in_event_data = array_start(at, line_feed)
            elif not is_null(at):
                return nothing
            at = value_end(at, 1, nesting, line_feed)
        elif is_text_field:
            at = text_end(at, field, scratch, field)
        else:
            at = value_end(at, 1, nesting, line_feed)
        if at < 0:
            return nothing
        at = white_end(at, line_feed)
        if byte_at(at) == COMMA:
            at = white_end(at + 1, line_feed)
            continue
        if byte_at(at) != CLOSE_OBJECT or white_end(at + 1, line_feed) < stop:
            return nothing
        elements = in_event_data if in_event_data else in_data
        return (PAGE, elements - text) if elements else nothing


@entry(types.UniTuple(int64, 2)(int64, int64, int64, int64, int64s, int64s, int64))
def take(
    text: int,
    at: int,
    line_feed: int,
    most_bytes: int,
    starts: np.ndarray,
    ends: np.ndarray,
    scratch: int,
) -> tuple[int, int]:
    """Takes the next elements of an array that `find` has checked.

    Args:
        text: Address of the buffer.
        at: Where the first of them starts, in bytes.
        line_feed: See `json_text`.
        most_bytes: Stops after the element with which they have as many bytes.
        starts: Takes where each element starts.
        ends: Takes where each element ends.
        scratch: Address of SCRATCH_BYTES bytes.

    Returns:
        The number of elements, and where the next one starts, or 0 after the last.
    """
    at += text
    nesting = scratch + SLOTS * SLOT_BYTES
    stop = at + most_bytes
    count = 0
    while count < len(starts) and at < stop:
        starts[count] = at - text
        at = value_end(at, 0, nesting, line_feed)
        ends[count] = at - text
        count += 1
        at = white_end(at, line_feed)
        if byte_at(at) != COMMA:
            return count, 0
        at = white_end(at + 1, line_feed)
    return count, at - text


class Page(NamedTuple):
    """A page or an array.

    Attributes:
        fields: The texts of its fields, those of a row up to PROVIDER.
        are_jobs: True if each element must be a job because of its place.
        start: Where its first element starts in the buffer.
    """

    fields: list[bytes | None]
    are_jobs: bool
    start: int


class PageFinder:
    """Finds pages and their elements; holds the memory for it."""

    def __init__(self) -> None:
        self._scratch = np.empty(SCRATCH_BYTES, np.uint8)
        self._scratch_address = address_of(self._scratch)
        # Finding an address takes longer than most payloads.
        self._text, self._address = b"", 0
        self._slots = self._scratch[: SLOT_BYTES * (PROVIDER + 1)].view(np.int64).reshape(-1, 2)

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

    def elements(
        self, text: bytes, start: int, line_feed: int, most: int, most_bytes: int
    ) -> Iterator[tuple[Int64s, Int64s]]:
        """Yields where the elements of a page start and end, in parts of limited size."""
        while start:
            starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
            count, start = take(
                address_of(text),
                start,
                line_feed,
                most_bytes,
                starts,
                ends,
                address_of(self._scratch),
            )
            yield starts[:count], ends[:count]
