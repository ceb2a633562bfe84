"""Splits a stream of bytes into blocks of whole lines, each line once, in linear time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import compress

import numpy as np

from transforms.blocks import BLOCK_ROWS, PAYLOAD_HEAD_BYTES, RawBlock, Span, too_large

_WHITE = b" \t\r"


def blocks_of_lines(
    source: str, chunks: Iterable[bytes], start: int, max_event_bytes: int
) -> Iterator[RawBlock]:
    """Turns chunks of a source into blocks of lines, one for each as a rule.

    Lines end at LF only, as JSON Lines has it; a CR before it is white space. A line over the
    limit is never held: its head, its size and its digest become a rejection. A line of white
    space alone is nothing, however long it is.

    Args:
        source: Where the chunks come from.
        chunks: Consecutive bytes of it, beginning at the start of a line.
        start: Offset of the first chunk, in bytes after decompression.
        max_event_bytes: The longest line that is kept, in bytes, without its line end.

    Yields:
        Blocks whose spans join on to each other, from `start` to the end of the last chunk.
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
            stop = start + long_line.size + 1
            yield _block_of_long_line(source, long_line, Span(start, stop), max_event_bytes)
            start, long_line = stop, None
            chunk = chunk[end + 1 :]
        lines, has_cr = chunk.split(b"\n"), b"\r" in chunk
        chunk = lines.pop()
        if lines:
            has_cr = has_cr or any(b"\r" in piece for piece in held)
            size = held_bytes + sum(map(len, lines)) + len(lines)
            lines[0] = b"".join((*held, lines[0]))
            held, held_bytes = [], 0
            span = Span(start, start + size)
            yield from _blocks(source, lines, span, has_cr, max_event_bytes)
            start = span.end
        if chunk:
            held.append(chunk)
            held_bytes += len(chunk)
            # One more than the limit may be a CR, which is not part of the line.
            if held_bytes > max_event_bytes + 1:
                long_line = _LongLine(held)
                held, held_bytes = [], 0
    if long_line is not None:
        span = Span(start, start + long_line.size)
        yield _block_of_long_line(source, long_line, span, max_event_bytes)
    elif held:
        span = Span(start, start + held_bytes)
        yield from _blocks(source, [b"".join(held)], span, True, max_event_bytes)


class _LongLine:
    """A line that is too long to be held."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.size = 0
        self.head = b""
        self.is_white = True
        self._digest = hashlib.sha256()
        self._before_cr: tuple[int, str] | None = None
        for piece in pieces:
            self.add(piece)

    def add(self, piece: bytes) -> None:
        if not piece:
            return
        room = PAYLOAD_HEAD_BYTES - len(self.head)
        if room > 0:
            self.head += piece[:room]
        self.is_white = self.is_white and not piece.strip(_WHITE)
        self._before_cr = None
        if piece.endswith(b"\r"):
            digest = self._digest.copy()
            digest.update(piece[:-1])
            self._before_cr = self.size + len(piece) - 1, digest.hexdigest()
        self._digest.update(piece)
        self.size += len(piece)

    def size_and_digest(self) -> tuple[int, str]:
        """Of the line without a CR at its end."""
        return self._before_cr or (self.size, self._digest.hexdigest())


def _block_of_long_line(source: str, line: _LongLine, span: Span, limit: int) -> RawBlock:
    size, digest = line.size_and_digest()
    rejections = []
    if not line.is_white:
        rejections = [too_large(line.head[:size], span.start, limit, size, digest)]
    return RawBlock(source, [], [], span, rejections)


def _blocks(
    source: str, lines: list[bytes], span: Span, has_cr: bool, max_event_bytes: int
) -> Iterator[RawBlock]:
    """The lines as blocks.

    Args:
        source: Where they come from.
        lines: Without their line ends.
        span: What they take up, their line ends included; the last line may have none.
        has_cr: Whether any may end with a CR.
        max_event_bytes: The longest line that is kept.
    """
    start = span.start
    for first in range(0, len(lines), BLOCK_ROWS):
        some = lines[first : first + BLOCK_ROWS]
        ends = start + np.cumsum(np.fromiter(map(len, some), np.int64, len(some)) + 1)
        starts = [start, *ends.tolist()]
        start = min(starts.pop(), span.end)
        if has_cr:
            some = [line.removesuffix(b"\r") for line in some]
        yield _block(source, some, starts, Span(starts[0], start), max_event_bytes)


def _block(
    source: str, lines: list[bytes], offsets: list[int], span: Span, max_event_bytes: int
) -> RawBlock:
    # The least line tells at once whether any is empty or begins with white space.
    if min(lines) < b"!":
        kept = [bool(line.strip(_WHITE)) for line in lines]
        lines, offsets = list(compress(lines, kept)), list(compress(offsets, kept))
    rejections = []
    if span.end - span.start > max_event_bytes:
        rejections = [
            too_large(line, offset, max_event_bytes, len(line), hashlib.sha256(line).hexdigest())
            for line, offset in zip(lines, offsets, strict=True)
            if len(line) > max_event_bytes
        ]
    if rejections:
        kept = [len(line) <= max_event_bytes for line in lines]
        lines, offsets = list(compress(lines, kept)), list(compress(offsets, kept))
    return RawBlock(source, lines, offsets, span, rejections)
