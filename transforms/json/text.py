"""Finds the type and the position of values in exact JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

JSON_WHITE_SPACE = b" \t\r\n"

Kind = Literal["null", "boolean", "number", "string", "array", "object"]

_WHITE_OCTETS = frozenset(JSON_WHITE_SPACE)
_KINDS: dict[int, Kind] = {
    ord("{"): "object",
    ord("["): "array",
    ord('"'): "string",
    ord("t"): "boolean",
    ord("f"): "boolean",
    ord("n"): "null",
}


def kind_of(text: bytes | Raw) -> Kind:
    """Returns the type of a JSON text by its first character; for other text, `number`."""
    octets = memoryview(text)
    first = octets[0] if octets.nbytes else 0
    if first in _WHITE_OCTETS:
        first = next(iter(bytes(text).lstrip(JSON_WHITE_SPACE)), 0)
    return _KINDS.get(first, "number")


def spans_of(parts: Sequence[Raw], whole: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the start and end offsets of parts that were decoded from a text."""
    # A Raw is a view of the text that it was decoded from.
    starts = np.fromiter(map(_address, parts), np.int64, len(parts)) - _address(whole)
    sizes = (memoryview(part).nbytes for part in parts)
    return starts, starts + np.fromiter(sizes, np.int64, len(parts))


def _address(buffer: bytes | Raw) -> int:
    pointer: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return pointer
