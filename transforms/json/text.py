"""Looks at JSON text without decoding it, and covers up what no decoder takes.

What is covered up keeps its length, so that a part of a covered text lies where it lies in the text
itself. Everything here takes any bytes, JSON or not, in a time that is linear in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

Kind = Literal["null", "boolean", "number", "string", "array", "object"]

_WHITE = b" \t\r\n"
_WHITE_OCTETS = frozenset(_WHITE)
_KINDS: dict[int, Kind] = {
    ord("{"): "object",
    ord("["): "array",
    ord('"'): "string",
    ord("t"): "boolean",
    ord("f"): "boolean",
    ord("n"): "null",
}

_CHUNK_BYTES = 1 << 20
_QUOTE = ord('"')
_MARKS = np.zeros(256, bool)
_MARKS[list(b'[]{}"')] = True
_STEPS = np.zeros(256, np.int32)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1

# Whole pairs are matched too, so that no match begins in the middle of one.
_SURROGATES = re.compile(
    rb"\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"
    rb"|(\\u[Dd][89A-Fa-f][0-9A-Fa-f]{2})"
)


def kind_of(text: bytes | Raw) -> Kind:
    """The type of a JSON text by its first character; what is not JSON passes for a number."""
    octets = memoryview(text)
    first = octets[0] if octets.nbytes else 0
    if first in _WHITE_OCTETS:
        first = next(iter(bytes(text).lstrip(_WHITE)), 0)
    return _KINDS.get(first, "number")


def depth(text: bytes) -> int:
    """How deep arrays and objects are nested."""
    return max((int(each.levels.max(initial=0)) for each in _brackets(text)), default=0)


def may_be_deeper(text: bytes, limit: int) -> bool:
    """Whether there are so many brackets that a closer look is needed; there rarely are."""
    return text.count(b"[") + text.count(b"{") > limit


def spans_of(parts: Sequence[Raw], whole: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where parts that were decoded out of a text begin and end in it: they are views of it."""
    count = len(parts)
    starts = np.fromiter(map(_address, parts), np.int64, count) - _address(whole)
    return starts, starts + np.fromiter(
        (memoryview(part).nbytes for part in parts), np.int64, count
    )


def mask_invalid_utf8(text: bytes) -> bytes:
    """Puts a question mark in place of each byte that is not valid UTF-8."""
    if text.isascii():
        return text
    return text.decode("utf-8", "surrogateescape").encode("utf-8", "replace")


def mask_depth(text: bytes, limit: int) -> bytes:
    """Puts a zero and spaces in place of each array and object that is nested too deep."""
    if not may_be_deeper(text, limit):
        return text
    return _covered(text, _too_deep(text, limit), lambda size: b"0".ljust(size))


def mask_lone_surrogates(text: bytes) -> bytes:
    """Puts another escape in place of each that is half of a surrogate pair without the other."""
    if rb"\u" not in text:
        return text
    found = _SURROGATES.finditer(text.replace(rb"\\", b"xx"))
    return _covered(text, (each.span() for each in found if each[1]), lambda _: rb"\ufffd")


def _covered(text: bytes, spans: Iterable[tuple[int, int]], cover: Callable[[int], bytes]) -> bytes:
    covered: bytearray | None = None
    for start, end in spans:
        if covered is None:
            covered = bytearray(text)
        covered[start:end] = cover(end - start)
    return text if covered is None else bytes(covered)


def _too_deep(text: bytes, limit: int) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for positions, levels, steps in _brackets(text):
        opens = (steps > 0) & (levels == limit + 1)
        closes = (steps < 0) & (levels == limit)
        at_limit = opens | closes
        for position, is_open in zip(
            positions[at_limit].tolist(), opens[at_limit].tolist(), strict=True
        ):
            if is_open:
                start = position
            elif start is not None:
                yield start, position + 1
                start = None
    if start is not None:
        yield start, len(text)


class _Brackets(NamedTuple):
    """The brackets of a piece of text that lie outside strings.

    Attributes:
        positions: Where they are in the whole text.
        levels: How deep the text is nested behind each.
        steps: 1 for each that opens, -1 for each that closes.
    """

    positions: NDArray[np.int64]
    levels: NDArray[np.int32]
    steps: NDArray[np.int32]


def _brackets(text: bytes) -> Iterator[_Brackets]:
    start, level, is_quoted = 0, 0, False
    while start < len(text):
        chunk = text[start : start + _CHUNK_BYTES]
        if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:
            # A chunk must not end between a backslash and what it escapes.
            chunk = text[start : start + _CHUNK_BYTES + 1]
        if b"\\" in chunk:
            chunk = chunk.replace(rb"\\", b"xx").replace(rb"\"", b"xx")
        octets = np.frombuffer(chunk, np.uint8)
        positions = np.flatnonzero(_MARKS[octets])
        marks = octets[positions]
        quoted = np.logical_xor.accumulate(marks == _QUOTE) ^ is_quoted
        steps = _STEPS[marks]
        # The steps of quotation marks are 0, so it does not matter that their flag is the next's.
        steps[quoted] = 0
        levels = level + np.cumsum(steps, dtype=np.int32)
        if len(marks):
            level, is_quoted = int(levels[-1]), bool(quoted[-1])
        brackets = np.flatnonzero(steps)
        yield _Brackets(positions[brackets] + start, levels[brackets], steps[brackets])
        start += len(chunk)


def _address(buffer: bytes | Raw) -> int:
    pointer: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return pointer
