"""Splits chunks of bytes into blocks of whole lines, in linear time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import compress

import numpy as np

from transforms.blocks import BLOCK_ROWS, PAYLOAD_HEAD_BYTES, RawBlock, Span, too_large
from transforms.json import JSON_WHITE_SPACE

_STEP = "ReadFiles"


def blocks_of_lines(
    source: str, chunks: Iterable[bytes], start: int, max_event_bytes: int
) -> Iterator[RawBlock]:
    """Splits chunks of a source into blocks of lines, usually one block for each chunk.

    Lines end with LF, as in JSON Lines; a CR before it is white space. A line over the limit is not
    held in memory: its head, its size and its digest become a rejection. A line of white space is
    skipped, however long it is.

    Args:
        source: Path or subscription.
        chunks: Consecutive bytes of the source. The first chunk begins at the start of a line.
        start: Offset of the first chunk, in bytes after decompression.
        max_event_bytes: Longest line that is kept, in bytes, without its line end.

    Yields:
        Blocks with adjacent spans, from `start` to the end of the last chunk.
    """
    held: list[bytes] = []
    held_bytes = 0
    long_line: _LongLine | None = None
    for chunk in chunks:
        if long_line is not None:
            end = chunk.find(b"\n")
            if end < 0:
                long_line.add(chunk)
                continue
            long_line.add(chunk[:end])
            span = Span(start, start + long_line.length + 1)
            yield _block_of_long_line(source, long_line, span, max_event_bytes)
            start, long_line = span.end, None
            chunk = chunk[end + 1 :]
        lines, has_cr = chunk.split(b"\n"), b"\r" in chunk
        chunk = lines.pop()
        if lines:
            has_cr = has_cr or any(b"\r" in part for part in held)
            size = held_bytes + sum(map(len, lines)) + len(lines)
            lines[0] = b"".join((*held, lines[0]))
            held, held_bytes = [], 0
            span = Span(start, start + size)
            yield from _blocks(source, lines, span, has_cr, max_event_bytes)
            start = span.end
        if chunk:
            held.append(chunk)
            held_bytes += len(chunk)
            # The byte after the limit may be a CR, which does not count as part of the line.
            if held_bytes > max_event_bytes + 1:
                long_line = _LongLine(held)
                held, held_bytes = [], 0
    if long_line is not None:
        span = Span(start, start + long_line.length)
        yield _block_of_long_line(source, long_line, span, max_event_bytes)
    elif held:
        span = Span(start, start + held_bytes)
        yield from _blocks(source, [b"".join(held)], span, True, max_event_bytes)


class _LongLine:
    """A line that is too long to be held in memory: its head, its length and its digest.

    A CR at the end counts only for `length`.
    """

    def __init__(self, parts: list[bytes]) -> None:
        self.head = b""
        self.length = 0
        self.is_blank = True
        self.digest = hashlib.sha256()
        self.cr = b""
        for part in parts:
            self.add(part)

    def add(self, part: bytes) -> None:
        self.length += len(part)
        part = self.cr + part
        self.cr = part[-1:] if part.endswith(b"\r") else b""
        part = part.removesuffix(b"\r")
        self.head += part[: PAYLOAD_HEAD_BYTES - len(self.head)]
        self.is_blank = self.is_blank and not part.strip(JSON_WHITE_SPACE)
        self.digest.update(part)


def _block_of_long_line(source: str, line: _LongLine, span: Span, limit: int) -> RawBlock:
    rejections = []
    if not line.is_blank:
        size, digest = line.length - len(line.cr), line.digest.hexdigest()
        rejections = [too_large(_STEP, line.head, span.start, limit, whole=(size, digest))]
    return RawBlock(source, [], [], span, rejections)


def _blocks(
    source: str, lines: list[bytes], span: Span, has_cr: bool, limit: int
) -> Iterator[RawBlock]:
    """Splits lines without their line ends into blocks of at most BLOCK_ROWS lines."""
    start = span.start
    for first in range(0, len(lines), BLOCK_ROWS):
        some = lines[first : first + BLOCK_ROWS]
        ends = start + np.cumsum(np.fromiter(map(len, some), np.int64, len(some)) + 1)
        offsets = [start, *ends.tolist()]
        # The last line of a source may have no line end.
        start = min(offsets.pop(), span.end)
        if has_cr:
            some = [line.removesuffix(b"\r") for line in some]
        yield _block(source, some, offsets, Span(offsets[0], start), limit)


def _block(source: str, lines: list[bytes], offsets: list[int], span: Span, limit: int) -> RawBlock:
    # The least line shows if any line is empty or begins with white space.
    if min(lines) < b"!":
        lines, offsets = _kept(
            lines, offsets, [bool(line.strip(JSON_WHITE_SPACE)) for line in lines]
        )
    rejections = []
    if span.end - span.start > limit:
        rejections = [
            too_large(_STEP, line, offset, limit)
            for line, offset in zip(lines, offsets, strict=True)
            if len(line) > limit
        ]
    if rejections:
        lines, offsets = _kept(lines, offsets, [len(line) <= limit for line in lines])
    return RawBlock(source, lines, offsets, span, rejections)


def _kept(
    lines: list[bytes], offsets: list[int], keep: list[bool]
) -> tuple[list[bytes], list[int]]:
    return list(compress(lines, keep)), list(compress(offsets, keep))
