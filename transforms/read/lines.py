"""Splits chunks of bytes into blocks of whole lines, in linear time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from transforms.blocks import BLOCK_BYTES, BLOCK_ROWS, PAYLOAD_HEAD_BYTES, RawBlock, Span, too_large
from transforms.json import JSON_WHITE_SPACE
from transforms.kernel import Payloads, padded, split_lines

_STEP = "ReadFiles"


def blocks_of_lines(
    source: str, chunks: Iterable[bytes], start: int, max_event_bytes: int
) -> Iterator[RawBlock]:
    """Splits chunks of a source into blocks of lines: as many chunks as are at most BLOCK_BYTES.

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
    # Of the bytes [start, end), those from `line_start` on are a line that has not ended yet.
    lines: list[bytes] = []
    line: list[bytes] = []
    line_start = end = start
    long_line: _LongLine | None = None
    for chunk in chunks:
        if long_line is not None:
            size = chunk.find(b"\n") + 1
            if not size:
                long_line.add(chunk)
                continue
            long_line.add(chunk[: size - 1])
            end = start + long_line.length + 1
            yield _block_of_long_line(source, long_line, Span(start, end), max_event_bytes)
            start = line_start = end
            long_line = None
            chunk = chunk[size:]
        size = chunk.rfind(b"\n") + 1
        if size:
            if end + size - start > BLOCK_BYTES:
                yield from _blocks(source, lines, Span(start, line_start), max_event_bytes)
                start, lines = line_start, []
            lines += (*line, chunk[:size])
            line_start, line = end + size, []
        end += len(chunk)
        if size < len(chunk):
            line.append(chunk[size:])
            # The byte after the limit may be a CR, which does not count as part of the line.
            if end - line_start > max_event_bytes + 1:
                yield from _blocks(source, lines, Span(start, line_start), max_event_bytes)
                start, lines = line_start, []
                long_line, line = _LongLine(line), []
    if long_line is not None:
        span = Span(start, start + long_line.length)
        yield _block_of_long_line(source, long_line, span, max_event_bytes)
    else:
        yield from _blocks(source, [*lines, *line], Span(start, end), max_event_bytes)


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
    return RawBlock.without_payloads(source, span, rejections=rejections)


def _blocks(source: str, lines: list[bytes], span: Span, limit: int) -> Iterator[RawBlock]:
    """Splits lines, which are given in parts, into blocks of at most BLOCK_ROWS lines."""
    text = padded(*lines)
    done = 0
    for starts, ends, stop in split_lines(text, span.end - span.start, BLOCK_ROWS):
        rejections = []
        if span.end - span.start > limit:
            is_short = ends - starts <= limit
            rejections = [
                too_large(_STEP, text[first:last], span.start + first, limit)
                for first, last in zip(
                    starts[~is_short].tolist(), ends[~is_short].tolist(), strict=True
                )
            ]
            starts, ends = starts[is_short], ends[is_short]
        yield RawBlock(
            source,
            Payloads(text, starts, ends, are_lines=True),
            starts + span.start,
            Span(span.start + done, span.start + stop),
            rejections,
        )
        done = stop
