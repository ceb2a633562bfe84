"""Collects the elements of a pipeline into blocks, and finds the element of each outcome."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from transforms.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    RawBlock,
    Rejection,
    too_large,
    with_block_coder,
)
from transforms.kernel import Payloads
from transforms.read import split_payloads

STEP = "NormalizeJobStatus"

ACCEPTED = "bytes, str or dict"

Place = tuple[Any, tuple[Any, ...]]
"""A timestamp and windows."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class NotPayloadError(Exception):
    """An element cannot be a payload. The message never holds a value of it."""


def payload_of(element: Any) -> bytes:
    """Returns the JSON text of an element.

    Raises:
        NotPayloadError: It is of another type, or a dict that JSON cannot represent.
    """
    if isinstance(element, bytes):
        return element
    if isinstance(element, str):
        # What is not UTF-8 then becomes INVALID_UTF8.
        return element.encode("utf-8", "surrogatepass")
    if not isinstance(element, dict):
        raise NotPayloadError(f"expected {ACCEPTED}, found {type(element).__name__}")
    try:
        return _encode(element)
    except Exception:
        # A text may hold half of a surrogate pair, which becomes an escape.
        try:
            return json.dumps(element).encode()
        except Exception as error:
            raise NotPayloadError(
                f"a dict that JSON cannot represent ({type(error).__name__})"
            ) from error


@with_block_coder
class ElementBatch:
    """Collects elements until they fill a block.

    Each element has its own range of offsets in the block. So the offset of an event or a rejection
    has the number of its element.

    Attributes:
        places: The timestamp and the windows of each element.
        size: Bytes of the elements.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._payloads: list[bytes] = []
        self._offsets: list[int] = []
        self._rejections: list[Rejection] = []
        self._starts: list[int] = []
        self.places: list[Place] = []
        self.size = 0

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def is_full(self) -> bool:
        """True if there are enough elements for a block."""
        return self.size >= BLOCK_BYTES or len(self._starts) >= BLOCK_ROWS

    def add(self, element: Any, place: Place) -> None:
        """Adds an element."""
        start = self.size
        self._starts.append(start)
        self.places.append(place)
        try:
            data = payload_of(element)
        except NotPayloadError as error:
            self._rejections.append(Rejection("WRONG_TYPE", STEP, "$", str(error), b"", start))
            self.size += 1
            return
        self.size += len(data) + 1
        if len(data) > self._max_event_bytes:
            self._rejections.append(too_large(STEP, data, start, self._max_event_bytes))
            return
        for payload, offset in split_payloads(data):
            self._payloads.append(payload)
            self._offsets.append(start + offset)

    def block(self) -> RawBlock:
        """Returns the elements as a block."""
        return RawBlock(
            "",
            Payloads.of(self._payloads),
            np.array(self._offsets, np.int64),
            rejections=self._rejections,
        )

    def locate(self, offsets: Any) -> tuple[list[int], list[int]]:
        """Returns the numbers of the elements that have these offsets, and the offsets in them."""
        starts = np.array(self._starts, np.int64)
        found = np.asarray(offsets, np.int64)
        numbers = np.searchsorted(starts, found, "right") - 1
        return numbers.tolist(), (found - starts[numbers]).tolist()
