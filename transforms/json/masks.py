"""Masks the parts of a text that a JSON decoder rejects: bytes, deep nesting and escapes.

A mask keeps the length, so every other part keeps its offset. All functions accept any bytes, JSON
or not, and take linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.json.text import JSON_WHITE_SPACE

MAX_NESTING = 200
"""Levels of arrays and objects that are read. A parser's own limit depends on the stack."""

_CHUNK_BYTES = 1 << 20
_QUOTE = ord('"')
_MARKS = np.zeros(256, bool)
_MARKS[list(b'[]{}"')] = True
_STEPS = np.zeros(256, np.int32)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1

# Also matches whole pairs, so that no match begins in the middle of one.
_SURROGATES = re.compile(
    # The start that both have in common makes a search ten times as fast.
    rb"\\u[Dd](?:[89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}|([89A-Fa-f][0-9A-Fa-f]{2}))"
)


def depth(text: bytes) -> int:
    """Returns the depth to which arrays and objects are nested."""
    return max((int(each.levels.max(initial=0)) for each in _brackets(text)), default=0)


def container_spans(text: bytes) -> NDArray[np.int64]:
    """Returns the start and end offsets of arrays and objects that follow one another.

    Returns no spans if anything but white space is between them. An array or object without an end
    extends to the end of the text.
    """
    starts: list[int] = []
    ends = [0]
    for positions, levels, steps in _brackets(text):
        if levels.min(initial=0) < 0:
            return np.empty((0, 2), np.int64)
        starts += positions[(levels == 1) & (steps > 0)].tolist()
        ends += (positions[(levels == 0) & (steps < 0)] + 1).tolist()
    if len(ends) == len(starts):
        ends.append(len(text))
    gaps = zip(ends, [*starts, len(text)], strict=True)
    if any(text[end:start].strip(JSON_WHITE_SPACE) for end, start in gaps):
        return np.empty((0, 2), np.int64)
    return np.array([starts, ends[1:]], np.int64).T


def may_be_deeper(text: bytes, limit: int) -> bool:
    """Returns False if there are too few brackets to be nested deeper: a cheap first check."""
    return text.count(b"[") + text.count(b"{") > limit


def mask_invalid_utf8(text: bytes) -> bytes:
    """Replaces each byte that is not valid UTF-8 by a question mark."""
    if text.isascii():
        return text
    return text.decode("utf-8", "surrogateescape").encode("utf-8", "replace")


def mask_depth(text: bytes, limit: int) -> bytes:
    """Replaces each array and object that is nested too deep by a zero and spaces."""
    if not may_be_deeper(text, limit):
        return text
    return _masked(text, _too_deep(text, limit), lambda size: b"0".ljust(size))


def mask_lone_surrogates(text: bytes) -> bytes:
    """Replaces each escape of a lone surrogate by the escape of U+FFFD."""
    if b"\\" not in text:
        return text
    found = _SURROGATES.finditer(text.replace(rb"\\", b"xx"))
    return _masked(text, (each.span() for each in found if each[1]), lambda _: rb"\ufffd")


def _masked(text: bytes, spans: Iterable[tuple[int, int]], mask: Callable[[int], bytes]) -> bytes:
    masked: bytearray | None = None
    for start, end in spans:
        if masked is None:
            masked = bytearray(text)
        masked[start:end] = mask(end - start)
    return text if masked is None else bytes(masked)


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
    """Brackets outside strings: offset in the text, depth after each, 1 if it opens, else -1."""

    positions: NDArray[np.int64]
    levels: NDArray[np.int32]
    steps: NDArray[np.int32]


def _brackets(text: bytes) -> Iterator[_Brackets]:
    start, level, is_quoted = 0, 0, False
    while start < len(text):
        chunk = text[start : start + _CHUNK_BYTES]
        if (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:
            # A chunk must not end between a backslash and the character that it escapes.
            chunk = text[start : start + _CHUNK_BYTES + 1]
        if b"\\" in chunk:
            chunk = chunk.replace(rb"\\", b"xx").replace(rb"\"", b"xx")
        octets = np.frombuffer(chunk, np.uint8)
        positions = np.flatnonzero(_MARKS[octets])
        marks = octets[positions]
        quoted = np.logical_xor.accumulate(marks == _QUOTE) ^ is_quoted
        steps = _STEPS[marks]
        # The flag of a quotation mark is that of the text after it. Its step is 0 anyway.
        steps[quoted] = 0
        levels = level + np.cumsum(steps, dtype=np.int32)
        if len(marks):
            level, is_quoted = int(levels[-1]), bool(quoted[-1])
        brackets = np.flatnonzero(steps)
        yield _Brackets(positions[brackets] + start, levels[brackets], steps[brackets])
        start += len(chunk)
