"""Splits a stream of bytes into blocks of whole lines, each line once, in linear time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import accumulate

from transforms.blocks import PAYLOAD_HEAD_BYTES, RawBlock, Rejection, Span

_WHITE = b" \t\r"


def blocks_of_lines(
    source: str, chunks: Iterable[bytes], start: int, max_event_bytes: int
) -> Iterator[RawBlock]:
    """Turns chunks of a source into a block of lines for each.

    Lines end at LF only, as JSON Lines has it; a CR before it is white space. A line over the
    limit is never held: its head, its size and its digest become a rejection.

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
        end = chunk.rfind(b"\n") + 1
        if end:
            text = b"".join((*held, chunk[:end]))
            yield _block(source, text, start, max_event_bytes)
            start += len(text)
            held, held_bytes = [], 0
            chunk = chunk[end:]
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
        yield _block(source, b"".join(held), start, max_event_bytes)


class _LongLine:
    """A line that is too long to be held."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.size = 0
        self.head = b""
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


def too_large(
    payload: bytes, offset: int, limit: int, size: int, sha256: str, path: str | None = None
) -> Rejection:
    """A payload over the limit, as a rejection; `payload` is at least its head."""
    return Rejection(
        code="TOO_LARGE",
        step="ReadFiles",
        path=path,
        message=f"{size} bytes, over the limit of {limit} (--max_event_bytes)",
        payload=payload[:PAYLOAD_HEAD_BYTES],
        offset=offset,
        full_size=size,
        full_sha256=sha256,
    )


def _block_of_long_line(source: str, line: _LongLine, span: Span, limit: int) -> RawBlock:
    size, digest = line.size_and_digest()
    return RawBlock(
        source,
        [],
        [],
        span,
        rejections=[too_large(line.head[:size], span.start, limit, size, digest)],
    )


def _block(source: str, text: bytes, start: int, max_event_bytes: int) -> RawBlock:
    lines = text.split(b"\n")
    offsets = list(accumulate([len(line) + 1 for line in lines], initial=start))
    del offsets[-1]
    if b"\r" in text:
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    rejections = []
    if len(text) > max_event_bytes:
        rejections = [
            too_large(line, offset, max_event_bytes, len(line), hashlib.sha256(line).hexdigest())
            for line, offset in zip(lines, offsets, strict=True)
            if len(line) > max_event_bytes
        ]
    # No JSON begins with white space alone, so a first byte above it needs no further look.
    kept = [
        (line, offset)
        for line, offset in zip(lines, offsets, strict=True)
        if line and (line[0] > 32 or line.strip(_WHITE)) and len(line) <= max_event_bytes
    ]
    return RawBlock(
        source,
        [line for line, _ in kept],
        [offset for _, offset in kept],
        Span(start, start + len(text)),
        rejections,
    )
