"""ReadFiles: files of any filesystem, codec and format → blocks of payloads.

Patterns → files → GroupByKey → ranges of up to 64 MiB → Reshuffle → blocks. Ranges are elements,
not the restrictions of a splittable DoFn: they work on every runner, and the content of a file
decides how the file is read. A compressed file is one range, and so is a document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

import apache_beam as beam
import numpy as np

from transforms.blocks import InputLedger, InputNote, Ledger, RawBlock, Span
from transforms.kernel import Payloads, padded
from transforms.local import REMOTE_RUN, LocalRun, Progress, preserve_error_type
from transforms.read.compression import content_chunks, first_bytes, plain_chunks
from transforms.read.damage import READ_ERRORS, DamagedInputError, UntilDamage, reason_of
from transforms.read.file_format import MARK_BYTES, InputFormat, text_bounds, without_mark
from transforms.read.limits import RANGE_BYTES, ReadLimits
from transforms.read.lines import blocks_of_lines
from transforms.read.ranges import FileRange, match_files, split_file
from transforms.storage import filesystem, read_plan


def read_range(
    file_range: FileRange, limits: ReadLimits, local_run: LocalRun = REMOTE_RUN
) -> Iterator[RawBlock]:
    """Reads a range as blocks with adjacent spans: each line and document exactly once.

    Damage is reported in the note of the last block. Everything before it is read, and the commit
    decides what to do with it. Each block is progress of the run.
    """
    path = file_range.path
    # The length of a plain file is known, even if a range of it is damaged.
    end = 0 if file_range.has_unknown_end else file_range.size
    damage = file_range.damage
    if damage is None:
        try:
            with filesystem.open_for_reading(path) as file:
                position = file_range.start
                for block in _blocks(file, file_range, limits):
                    local_run.report(Progress(bytes=file.tell() - position))
                    position = file.tell()
                    if file_range.has_unknown_end and block.span is not None:
                        end = block.span.end
                    yield block
        except READ_ERRORS as error:
            damage = reason_of(error)
    if damage is not None or file_range.has_unknown_end:
        yield RawBlock.without_payloads(path, note=InputNote(path, end, damage))


def _blocks(file: BinaryIO, file_range: FileRange, limits: ReadLimits) -> Iterator[RawBlock]:
    path, start = file_range.path, 0
    if file_range.has_unknown_end:
        chunks = UntilDamage(content_chunks(file, file_range.codec, file_range.size))
    else:
        start = _first_line_start(file, file_range)
        if start >= file_range.stop:
            return
        chunks = UntilDamage(_chunks_to_line_end(file, file_range, start))
    if file_range.file_format == "document":
        yield _document(path, chunks, limits.max_document_bytes)
    else:
        yield from _lines(path, iter(chunks), start, limits.max_event_bytes)
    if chunks.error is not None:
        raise chunks.error


def _first_line_start(file: BinaryIO, file_range: FileRange) -> int:
    """Moves a file to the first line that starts in a range; returns its offset, or the stop."""
    if file_range.start == 0:
        return 0
    # A line starts at the first byte of the range only if a line ends right before it.
    position = file_range.start - 1
    file.seek(position)
    for chunk in plain_chunks(file, position, file_range.stop):
        found = chunk.find(b"\n") + 1
        if found:
            file.seek(position + found)
            return position + found
        position += len(chunk)
    return file_range.stop


def _chunks_to_line_end(file: BinaryIO, file_range: FileRange, start: int) -> Iterator[bytes]:
    """Reads a range from `start` to the end of its last line, which may be after the range."""
    chunk = b""
    for chunk in plain_chunks(file, start, file_range.stop):
        yield chunk
    if chunk.endswith(b"\n"):
        return
    for chunk in plain_chunks(file, file_range.stop, file_range.size):
        end = chunk.find(b"\n") + 1
        yield chunk[:end] if end else chunk
        if end:
            return


def _lines(path: str, chunks: Iterator[bytes], start: int, limit: int) -> Iterator[RawBlock]:
    """Reads lines from the start of a line on; a line that damage truncates is read up to there."""
    if start == 0:
        head = first_bytes(chunks, MARK_BYTES)
        start = len(head) - len(without_mark(head))
        if start:
            yield RawBlock.without_payloads(path, Span(0, start))
        chunks = chain([head[start:]], chunks)
    yield from blocks_of_lines(path, chunks, start, limit)


def _document(path: str, chunks: UntilDamage[bytes], limit: int) -> RawBlock:
    """Reads a document, up to damage, as one payload; raises DamagedInputError over the limit."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            raise DamagedInputError(f"one document of over {limit} bytes (--max_document_bytes)")
    text = padded(*parts)
    # No reference to the parts may keep a second copy of a large document in memory.
    parts.clear()
    start, end = text_bounds(text, size)
    if start == end:
        return RawBlock.without_payloads(path, Span(0, size))
    starts, ends = np.array([start]), np.array([end])
    return RawBlock(path, Payloads(text, starts, ends, are_lines=False), starts, Span(0, size))


def _match(patterns: list[str], plan_path: str | None) -> Iterator[Any]:
    if plan_path is None:
        files = match_files(patterns).files
    else:
        with preserve_error_type():
            plan = read_plan(plan_path)
        files = plan.files
        skipped = Ledger(skipped_inputs=plan.skipped, changed_inputs=plan.changed)
        yield beam.pvalue.TaggedOutput("inputs", skipped.to_bytes())
    for path, size, modified_ns in files:
        # The commit checks the reports of the later steps against this ledger.
        ledger = Ledger(inputs={path: InputLedger(bytes=size, modified_ns=modified_ns)})
        yield beam.pvalue.TaggedOutput("inputs", ledger.to_bytes())
        yield path, size


def _split(
    file: tuple[str, Iterable[int]], input_format: InputFormat, range_bytes: int
) -> Iterator[Any]:
    path, (size,) = file
    ranges = split_file(path, size, input_format, range_bytes)
    if not any(each.has_unknown_end for each in ranges):
        ledger = Ledger(inputs={path: InputLedger(end=size)})
        yield beam.pvalue.TaggedOutput("inputs", ledger.to_bytes())
    yield from ranges


def _read(file_range: FileRange, limits: ReadLimits, local_run: LocalRun) -> Iterator[RawBlock]:
    # Beam's coders turn it into a plain tuple.
    return read_range(FileRange(*file_range), limits, local_run)


class ReadFiles(beam.PTransform):
    """Reads files as blocks.

    Args:
        patterns: Paths and globs, on any filesystem that Beam supports.
        input_format: How to read the files; `auto` detects the format of each file.
        limits: Limits of reading.
        plan_path: A staged InputPlan. Its files are read, and the patterns not searched.
        range_bytes: Largest range of a plain file, in bytes.
        local_run: Connects the workers to the launcher of a local run.

    Returns:
        Two collections: `blocks`, of RawBlock, and `inputs`, ledgers of the bytes that the blocks
        must account for. Give both to WriteAvro.
    """

    def __init__(
        self,
        patterns: list[str],
        *,
        input_format: InputFormat = "auto",
        limits: ReadLimits | None = None,
        plan_path: str | None = None,
        range_bytes: int = RANGE_BYTES,
        local_run: LocalRun = REMOTE_RUN,
    ) -> None:
        super().__init__()
        self._patterns = patterns
        self._match = beam.FlatMap(_match, plan_path).with_output_types(tuple[str, int])
        self._split = beam.FlatMap(_split, input_format, range_bytes)
        self._read = beam.FlatMap(_read, limits or ReadLimits(), local_run)

    def expand(self, root: beam.Pipeline) -> dict[str, beam.PCollection[Any]]:
        files = (
            root
            | "Patterns" >> beam.Create([self._patterns], reshuffle=False)
            | "Match" >> self._match.with_outputs("inputs", main="files")
        )
        # Not a second Reshuffle: Flink removes the later of two, as its input counts as rebalanced.
        # One reader then gets all ranges of a file.
        ranges = (
            files.files
            | "SpreadFiles" >> beam.GroupByKey()
            | "Split" >> self._split.with_outputs("inputs", main="ranges")
        )
        blocks = (
            ranges.ranges
            | "SpreadRanges" >> beam.Reshuffle()
            | "Read" >> self._read.with_output_types(RawBlock)
        )
        inputs = (files.inputs, ranges.inputs) | "Inputs" >> beam.Flatten()
        return {"blocks": blocks, "inputs": inputs}
