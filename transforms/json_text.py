"""Looks at JSON text without decoding it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from msgspec import Raw

Kind = Literal["null", "boolean", "number", "string", "array", "object"]

_WHITE = b" \t\r\n"
_KINDS: dict[bytes, Kind] = {
    b"{": "object",
    b"[": "array",
    b'"': "string",
    b"t": "boolean",
    b"f": "boolean",
    b"n": "null",
}
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = np.zeros(256, np.int64)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


def kind_of(text: bytes | Raw) -> Kind:
    """The type of a JSON text, told by its first character; what is not JSON passes for a number."""
    first = bytes(memoryview(text)[:1])
    if first in _WHITE:
        first = bytes(text).lstrip(_WHITE)[:1]
    return _KINDS.get(first, "number")


def depth(text: bytes) -> int:
    """How deep arrays and objects are nested, in time linear in the text, JSON or not."""
    # Without escapes, every second piece between quotation marks lies outside strings.
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
    if not brackets:
        return 0
    return int(_STEP[np.frombuffer(brackets, np.uint8)].cumsum().max())


def position_of(part: Raw, whole: bytes) -> int:
    """Where a part that was decoded out of a text begins in it: the part is a view of the text."""
    return _address(part) - _address(whole)


def _address(buffer: Any) -> int:
    pointer: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return pointer
