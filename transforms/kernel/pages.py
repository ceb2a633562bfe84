"""Finds the jobs of ordinary pages: objects or arrays that hold payloads in an array.

A page is ordinary if it is valid JSON in all its parts and its used fields are as those of an
ordinary payload (see `scanning`). Its elements may be anything; each is scanned as a payload.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transforms.kernel import json_text, rows, scanning
from transforms.kernel.buffers import Int32Vector, Int64Cube, Int64s, Int64Vector, address_of
from transforms.kernel.compiling import entry
from transforms.kernel.octets import byte_at

_PART = 1000
"""Most elements that are scanned at a time."""


@entry
def find(text: int, start: int, end: int, line_feed: int, scratch: int) -> tuple[int, int]:
    """Finds the elements of a page or an array that is a whole payload.

    Args:
        text: Address of the buffer of the payload.
        start: Where it starts, in bytes.
        end: Where it ends.
        line_feed: See `json_text`.
        scratch: Address of scanning.SCRATCH_BYTES bytes. Takes the slots of the page's fields.

    Returns:
        The kind, and where the first element starts, in bytes, if it is a page or an array.
    """
    kind, _ = scanning.scan_payload(text + start, text + end, scratch, line_feed, True)
    first = scanning.slot_start(scratch, scanning.EVENT_DATA)
    if first == 0:
        first = scanning.slot_start(scratch, scanning.DATA)
    return kind, first - text


@entry
def scan_elements(
    text: int,
    at: int,
    line_feed: int,
    limit: int,
    most_bytes: int,
    starts: Int64Vector,
    ends: Int64Vector,
    places: Int64Cube,
    payload_of: Int32Vector,
    others: Int32Vector,
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
        kind, at = scanning.scan_payload(start, 0, scratch, line_feed, False)
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
        if kind not in (scanning.PAGE, scanning.ARRAY):
            return None
        fields = [
            None if first == 0 else text[first - address : last - address]
            for first, last in self._slots.tolist()
        ]
        return Page(fields, kind == scanning.PAGE, elements)

    def scan(
        self, text: bytes, start: int, line_feed: int, limit: int, most_bytes: int
    ) -> Elements:
        """Scans some elements of a page. The first of them starts at `start`.

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
