"""ReadDeadLetters: files of dead letters → blocks of the payloads in them, to be run again.

Each payload keeps its origin and the context that was stored beside it, so that what comes out of
it is what the first run would have made of it. A payload that was cut or not kept is read again
from its source. The spans of these blocks count letters, not bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from itertools import groupby
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam

from schemas.errors import JobStatusError
from transforms.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    Context,
    InputLedger,
    InputNote,
    Ledger,
    MessageInfo,
    RawBlock,
    Rejection,
    Span,
    too_large,
)
from transforms.local import REMOTE_RUN, LocalRun, Progress
from transforms.read.compression import MAGIC_BYTES, DamagedInputError, codec_of, decompress
from transforms.read.dead_letter_files import DeadLetterFile, Letter, letters_of
from transforms.read.read_files import ReadLimits
from transforms.storage import filesystem

STEP = "ReadDeadLetters"

_HELD_BYTES = 64 << 20
"""How much is held of letters whose payloads are still to be read again, in bytes."""

_LETTER_BYTES = 2048
"""What holding a letter costs beside its payload."""

_FAULTS_OF_BYTES = ("INVALID_UTF8", "LONE_SURROGATE", "TOO_DEEP")
"""What no other rule, limit or context mends."""

_NOT_READ_AGAIN = "; not read again: "
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _Numbered(NamedTuple):
    """A letter and its number in its file."""

    number: int
    letter: Letter


class _Payload(NamedTuple):
    """A payload to be run again."""

    data: bytes


_Outcome = _Payload | Rejection


def read_dead_letters(file: DeadLetterFile, limits: ReadLimits) -> Iterator[RawBlock]:
    """Reads a file as blocks whose spans cover the numbers of its letters, each exactly once.

    What is damaged is told in the note of the last block, behind all that could be read.
    """
    blocks = _BlockBuilder(file.path)
    held: list[_Numbered] = []
    held_bytes = count = 0
    damage = None
    letters = letters_of(file)
    while True:
        try:
            letter = next(letters, None)
        except (DamagedInputError, JobStatusError, OSError) as error:
            damage, letter = filesystem.reason(error), None
        if letter is None:
            break
        numbered = _Numbered(count, letter)
        count += 1
        outcome = _outcome(letter, limits)
        if outcome is not None:
            yield from blocks.add(numbered, outcome)
            continue
        held.append(numbered)
        held_bytes += len(letter["payload"] or b"") + _LETTER_BYTES
        if held_bytes >= _HELD_BYTES:
            yield from _read_again(held, blocks)
            held, held_bytes = [], 0
    yield from _read_again(held, blocks)
    yield from blocks.rest()
    yield RawBlock(file.path, [], [], note=InputNote(file.path, count, damage))


def _outcome(letter: Letter, limits: ReadLimits) -> _Outcome | None:
    """What becomes of a letter; None where its payload has to be read again from its source."""
    size = letter["payload_size"]
    if letter["error_path"] == "$" or letter["error_code"] in _FAULTS_OF_BYTES:
        # What stood around it had its part in this: only a job could stand there, or it was too
        # deep there. By itself it could pass for events that no run over the source would find.
        return _rejected_again(letter)
    if letter["error_code"] == "TOO_LARGE" and size > limits.max_event_bytes:
        return _still_too_large(letter, limits.max_event_bytes)
    if _is_whole(letter):
        return _Payload(letter["payload"])
    if letter["message_id"] is not None:
        return _rejected_again(letter, "it came in a message")
    if not letter["payload_sha256"]:
        return _rejected_again(letter, "nothing of it was kept that would tell it from others")
    if not letter["source"] or letter["source_offset"] is None:
        return _rejected_again(letter, "nothing says where it came from")
    if size > max(limits.max_event_bytes, limits.max_document_bytes):
        return _rejected_again(letter, "it is longer than --max_document_bytes")
    return None


def _is_whole(letter: Letter) -> bool:
    return letter["payload"] is not None and not letter["payload_truncated"]


def _rejected_again(letter: Letter, why: str | None = None) -> Rejection:
    """A letter as it was, and why its payload could not be had."""
    message = letter["error_message"].partition(_NOT_READ_AGAIN)[0]
    is_whole = _is_whole(letter)
    return Rejection(
        code=letter["error_code"],
        step=letter["step"],
        path=letter["error_path"],
        message=message if why is None else f"{message}{_NOT_READ_AGAIN}{why}",
        payload=letter["payload"] or b"",
        offset=letter["source_offset"],
        context=context_of_letter(letter),
        full_size=None if is_whole else letter["payload_size"],
        full_sha256=None if is_whole else letter["payload_sha256"],
    )


def _still_too_large(letter: Letter, limit: int) -> Rejection:
    head, size = letter["payload"] or b"", letter["payload_size"]
    offset, digest = letter["source_offset"], letter["payload_sha256"]
    rejection = too_large(head, offset, limit, size, digest)
    return replace(rejection, step=STEP, context=context_of_letter(letter))


def context_of_letter(letter: Letter) -> Context:
    """What was known of the payload of a letter beside its text; this is one attempt more."""
    message = None
    if letter["message_id"] is not None:
        message = MessageInfo(
            letter["message_id"],
            _micros(letter["publish_time"]),
            json.loads(letter["attributes"] or "{}"),
        )
    return Context(
        letter["event_type"],
        letter["event_date"],
        letter["project_id"],
        letter["account_id"],
        letter["provider"],
        message,
        letter["attempt"] + 1,
    )


def _micros(time: datetime | None) -> int:
    if time is None:
        return 0
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class _BlockBuilder:
    """Gathers payloads of one source with consecutive numbers until they are enough for a block."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._clear("", 0)

    def _clear(self, source: str, number: int) -> None:
        self._source = source
        self._span = Span(number, number)
        self._payloads: list[bytes] = []
        self._offsets: list[int] = []
        self._contexts: list[Context] = []
        self._rejections: list[Rejection] = []
        self._bytes = 0

    def add(self, numbered: _Numbered, outcome: _Outcome) -> Iterator[RawBlock]:
        """Adds what became of a letter; yields the block before it if that is at its end."""
        number, letter = numbered
        source = letter["source"] or ""
        start, end = self._span
        is_full = self._bytes >= BLOCK_BYTES or end - start >= BLOCK_ROWS
        if source != self._source or number != end or is_full:
            yield from self.rest()
            self._clear(source, number)
        self._span = Span(self._span.start, number + 1)
        if isinstance(outcome, Rejection):
            self._rejections.append(outcome)
            self._bytes += len(outcome.payload)
        else:
            self._payloads.append(outcome.data)
            self._offsets.append(letter["source_offset"] or 0)
            self._contexts.append(context_of_letter(letter))
            self._bytes += len(outcome.data)

    def rest(self) -> Iterator[RawBlock]:
        """Yields what is left, if there is anything."""
        if self._span.start < self._span.end:
            yield RawBlock(
                self._source,
                self._payloads,
                self._offsets,
                self._span,
                self._rejections,
                contexts=self._contexts,
                input=self._path,
            )
        self._clear("", 0)


def _read_again(held: list[_Numbered], blocks: _BlockBuilder) -> Iterator[RawBlock]:
    """Reads the payloads of letters from their sources, each of which is gone through once."""

    def place(each: _Numbered) -> tuple[str, int, int]:
        return each.letter["source"], each.letter["source_offset"], each.letter["payload_size"]

    held.sort(key=place)
    for source, of_source in groupby(held, key=lambda each: str(each.letter["source"])):
        letters = {
            Span(offset, offset + size): list(same)
            for (_, offset, size), same in groupby(of_source, key=place)
        }
        why = "its source is shorter now"
        try:
            for span, payload in payloads_at(source, list(letters)):
                digest = hashlib.sha256(payload).hexdigest()
                for each in letters.pop(span):
                    outcome: _Outcome = _Payload(payload)
                    if digest != each.letter["payload_sha256"]:
                        outcome = _rejected_again(each.letter, "its source holds other bytes now")
                    yield from blocks.add(each, outcome)
        except (DamagedInputError, JobStatusError, OSError) as error:
            why = f"its source: {filesystem.reason(error)}"
        for each in (each for same in letters.values() for each in same):
            yield from blocks.add(each, _rejected_again(each.letter, why))


def payloads_at(path: str, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
    """Cuts pieces out of a file, plain or compressed, holding no more than one at a time.

    Args:
        path: The file.
        spans: The bytes of each piece, after decompression; distinct and sorted.

    Yields:
        The pieces that the file holds, each with its span. The order is that of the spans where
        none overlaps another.

    Raises:
        InputError: It cannot be opened.
        DamagedInputError: It is cut off or corrupt before the end of the last piece.
        OSError: It cannot be read on.
    """
    with filesystem.open_for_reading(path) as file:
        codec = codec_of(path, file.read(MAGIC_BYTES))
        if codec is None:
            yield from _sought(file, spans)
            return
        while spans:
            now, spans = _apart(spans)
            file.seek(0)
            yield from _passed(decompress(file, codec), now)


def _sought(file: BinaryIO, spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
    for span in spans:
        file.seek(span.start)
        piece = file.read(span.end - span.start)
        if len(piece) == span.end - span.start:
            yield span, piece


def _apart(spans: list[Span]) -> tuple[list[Span], list[Span]]:
    """Spans that do not overlap, and the others."""
    apart: list[Span] = []
    others: list[Span] = []
    for span in spans:
        (others if apart and span.start < apart[-1].end else apart).append(span)
    return apart, others


def _passed(chunks: Iterable[bytes], spans: list[Span]) -> Iterator[tuple[Span, bytes]]:
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


class _ReadDeadLetters(beam.DoFn):
    def __init__(self, limits: ReadLimits, local_run: LocalRun) -> None:
        self._limits = limits
        self._local_run = local_run

    def process(self, file: tuple[str, int, int | None]) -> Iterator[Any]:
        found = DeadLetterFile(*file)
        # The commit holds what the reader reports against this.
        ledger = Ledger(inputs={found.path: InputLedger(bytes=found.size, end=found.records)})
        yield beam.pvalue.TaggedOutput("inputs", ledger.to_bytes())
        yield from read_dead_letters(found, self._limits)
        self._local_run.report(Progress(bytes=found.size))


class ReadDeadLetters(beam.PTransform):
    """Reads dead letters as blocks.

    Args:
        files: The files to read.
        limits: What is too long to be run again.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        Two collections, as ReadFiles: `blocks` and `inputs`.
    """

    def __init__(
        self,
        files: list[DeadLetterFile],
        *,
        limits: ReadLimits,
        local_run: LocalRun = REMOTE_RUN,
    ) -> None:
        super().__init__()
        self._files = [tuple(file) for file in files]
        self._read = _ReadDeadLetters(limits, local_run)

    def expand(self, root: beam.Pipeline) -> dict[str, beam.PCollection[Any]]:
        read = (
            root
            | "Files" >> beam.Create(self._files, reshuffle=False)
            | "SpreadFiles" >> beam.Reshuffle()
            | "Read"
            >> beam.ParDo(self._read)
            .with_output_types(RawBlock)
            .with_outputs("inputs", main="blocks")
        )
        return {"blocks": read.blocks, "inputs": read.inputs}
