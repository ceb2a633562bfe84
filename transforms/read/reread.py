"""Reads payloads that a dead letter does not hold again from their sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby

from schemas.errors import JobStatusError
from transforms.blocks import Span
from transforms.read.compression import MAGIC_BYTES, decompress, detect_codec
from transforms.read.damage import DamagedInputError, reason_of
from transforms.read.dead_letter_files import Letter
from transforms.storage import filesystem


def reread_payloads(
    letters: Iterable[tuple[int, Letter]],
) -> Iterator[tuple[int, Letter, bytes | str]]:
    """Reads payloads again; each source is read once.

    Args:
        letters: Letters with a source, an offset, a size and a digest; each with its number.

    Yields:
        Each number and letter, with the payload, or with the reason why it cannot be read.
    """

    def source_of(numbered: tuple[int, Letter]) -> str:
        return str(numbered[1]["source"])

    def span_of(numbered: tuple[int, Letter]) -> Span:
        offset = numbered[1]["source_offset"]
        return Span(offset, offset + numbered[1]["payload_size"])

    ordered = sorted(letters, key=lambda each: (source_of(each), span_of(each)))
    for source, of_source in groupby(ordered, source_of):
        todo = {span: list(same) for span, same in groupby(of_source, span_of)}
        reason = "its source is shorter now"
        try:
            for span, payload in read_spans(source, list(todo)):
                digest = hashlib.sha256(payload).hexdigest()
                for number, letter in todo.pop(span):
                    is_same = digest == letter["payload_sha256"]
                    yield number, letter, payload if is_same else "its source holds other bytes now"
        except (DamagedInputError, JobStatusError, OSError) as error:
            reason = f"its source: {reason_of(error)}"
        for same in todo.values():
            for number, letter in same:
                yield number, letter, reason


def read_spans(path: str, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
    """Reads spans of a file, plain or compressed; holds one of them in memory at a time.

    Args:
        path: The file.
        spans: Bytes after decompression; distinct and sorted.

    Yields:
        Each span that the file holds, and its bytes; in order if no spans overlap.

    Raises:
        InputError: The file cannot be opened.
        DamagedInputError: The file is truncated or corrupt before the end of the last span.
        OSError: The file cannot be read further.
    """
    with filesystem.open_for_reading(path) as file:
        codec = detect_codec(path, file.read(MAGIC_BYTES))
        if codec is None:
            for span in spans:
                file.seek(span.start)
                data = file.read(span.end - span.start)
                if len(data) == span.end - span.start:
                    yield span, data
            return
        while spans:
            now, spans = _split_overlaps(spans)
            file.seek(0)
            yield from _spans_of_chunks(decompress(file, codec), now)


def _split_overlaps(spans: list[Span]) -> tuple[list[Span], list[Span]]:
    """Splits spans into some that do not overlap, and the others."""
    apart: list[Span] = []
    others: list[Span] = []
    for span in spans:
        (others if apart and span.start < apart[-1].end else apart).append(span)
    return apart, others


def _spans_of_chunks(chunks: Iterable[bytes], spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
    position = 0
    todo = iter(spans)
    span = next(todo, None)
    held: list[bytes] = []
    for chunk in chunks:
        end = position + len(chunk)
        while span is not None and span.start < end:
            held.append(chunk[max(0, span.start - position) : span.end - position])
            if span.end > end:
                break
            yield span, b"".join(held)
            held, span = [], next(todo, None)
        if span is None:
            return
        position = end
