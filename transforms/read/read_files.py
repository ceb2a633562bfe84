"""ReadFiles: files of any filesystem, codec and shape → blocks of payloads.

Patterns → files → ranges of up to 64 MiB → Reshuffle → blocks. Ranges are elements rather than the
restrictions of a splittable DoFn: so they run on every runner, and a file's content decides how it
is read. A compressed file and a document are one range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import ceil
from typing import Any, BinaryIO, Literal, NamedTuple

import apache_beam as beam

from schemas.errors import InputError
from transforms.blocks import BLOCK_BYTES, InputLedger, InputNote, Ledger, RawBlock, Span
from transforms.local import REMOTE_RUN, LocalRun, Progress
from transforms.read.compression import MAGIC_BYTES, DamagedInputError, codec_of, decompress
from transforms.read.file_format import BYTE_ORDER_MARK, PEEK_BYTES, FileFormat, detect_file_format
from transforms.read.lines import blocks_of_lines
from transforms.storage import file_paths, filesystem

RANGE_BYTES = 64 << 20
"""Size of a range at the most, in bytes: on a cluster, each may become a file."""

_LEAST_RANGE_BYTES = 16 << 20
_RANGES = 16
"""A smaller file is split into so many, if they are not too small: local workers have their ranges
from the start, and of a few large ones one of them would have one more than the other."""

_WHITE = b" \t\r\n"

InputFormat = Literal["auto", "lines", "document"]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of reading, in bytes.

    Attributes:
        max_event_bytes: Of a line, a message, or one job of a page.
        max_document_bytes: Of a file that is one document, after decompression.
    """

    max_event_bytes: int = 10_000_000
    max_document_bytes: int = 256_000_000


class FileRange(NamedTuple):
    """A piece of a file: the lines that start in [start, stop), or all of it.

    Attributes:
        path: The file.
        start: In bytes.
        stop: In bytes; the file's length for the last range.
        size: The file's length in bytes when it was matched; nothing behind it is read.
        shape: How to read it.
        codec: How it is compressed, or None. Then start and stop mean nothing.
        damage: Why it cannot be read at all, or None.
    """

    path: str
    start: int
    stop: int
    size: int
    shape: FileFormat
    codec: str | None = None
    damage: str | None = None

    @property
    def whole(self) -> bool:
        """Whether only its reader will know the length of the input."""
        return self.codec is not None or self.shape == "document" or self.damage is not None


def match_files(patterns: list[str]) -> filesystem.Matched:
    """Finds the files of all patterns, each file once however many of them match it.

    Two symbolic links to one file are that file, and so is one that is found again through a
    symbolic link to a directory above it. The first name that matched is the one it is read by.

    Raises:
        InputError: As `filesystem.match` does.
    """
    files: dict[str, filesystem.FileInfo] = {}
    directories: set[str] = set()
    for pattern in patterns:
        matched = filesystem.match(pattern)
        for file in matched.files:
            files.setdefault(file_paths.real(file.path), file)
        directories.update(matched.directories)
    return filesystem.Matched(list(files.values()), sorted(directories))


def split_file(
    path: str, size: int, input_format: InputFormat, range_bytes: int = RANGE_BYTES
) -> list[FileRange]:
    """Looks at the first bytes of a file and splits it into ranges; an empty one has none.

    Args:
        path: The file.
        size: Its length in bytes.
        input_format: How to read it, or `auto`.
        range_bytes: The size of a range at the most; those of a small file are smaller.
    """
    whole = FileRange(path, 0, size, size, "lines")
    try:
        with filesystem.open_for_reading(path) as file:
            codec = codec_of(path, file.read(MAGIC_BYTES))
            if size == 0:
                return []
            file.seek(0)
            head = _peek(decompress(file, codec) if codec else _chunks(file, 0, size), PEEK_BYTES)
    except (InputError, DamagedInputError, OSError) as error:
        return [whole._replace(damage=_why(error))]
    shape: FileFormat = (
        detect_file_format(head[:PEEK_BYTES]) if input_format == "auto" else input_format
    )
    whole = whole._replace(shape=shape, codec=codec)
    if whole.whole:
        return [whole]
    step = min(range_bytes, max(ceil(size / _RANGES), _LEAST_RANGE_BYTES))
    return [
        whole._replace(start=start, stop=min(start + step, size)) for start in range(0, size, step)
    ]


def read_range(
    piece: FileRange, limits: ReadLimits, on_read: Callable[[int], None] | None = None
) -> Iterator[RawBlock]:
    """Reads a range as blocks whose spans tile it, each line and document exactly once.

    What is damaged is told in the note of the last block: everything before the damage is handed
    on, and the commit decides what becomes of it.

    Args:
        piece: The range.
        limits: What is too long to be read.
        on_read: Is told at every block how many bytes of the file were read since the last.
    """
    if piece.damage is not None:
        yield _end(piece, 0, piece.damage)
        return
    # The length of a plain file is known, whatever becomes of one of its ranges.
    end = 0 if piece.whole else piece.size
    try:
        with filesystem.open_for_reading(piece.path) as file:
            position = piece.start
            for block in _blocks(file, piece, limits):
                if on_read is not None:
                    on_read(file.tell() - position)
                    position = file.tell()
                if piece.whole and block.span is not None:
                    end = block.span.end
                yield block
    except (InputError, DamagedInputError, OSError) as error:
        yield _end(piece, end, _why(error))
    else:
        if piece.whole:
            yield _end(piece, end, None)


def _end(piece: FileRange, end: int, damage: str | None) -> RawBlock:
    return RawBlock(piece.path, [], [], note=InputNote(piece.path, end, damage))


def _blocks(file: BinaryIO, piece: FileRange, limits: ReadLimits) -> Iterator[RawBlock]:
    if piece.codec is None and piece.shape == "lines":
        return _blocks_of_range(file, piece, limits)
    chunks = decompress(file, piece.codec) if piece.codec else _chunks(file, 0, piece.size)
    if piece.shape == "document":
        return _document(piece.path, chunks, limits)
    return _lines(piece.path, chunks, 0, limits)


class _UntilDamage:
    """Chunks up to where the input is damaged; the damage is told once they are handed on."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._damage: DamagedInputError | OSError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except (DamagedInputError, OSError) as error:
            self._damage = error

    def tell(self) -> None:
        """Raises the damage that ended the chunks, if any did."""
        if self._damage is not None:
            raise self._damage


def _lines(
    path: str, chunks: Iterator[bytes], start: int, limits: ReadLimits
) -> Iterator[RawBlock]:
    """Lines from the start of a line on; of the last one what there is where damage cut it."""
    sound = _UntilDamage(chunks)
    chunks = iter(sound)
    if start == 0:
        head = _peek(chunks, len(BYTE_ORDER_MARK))
        if head.startswith(BYTE_ORDER_MARK):
            start = len(BYTE_ORDER_MARK)
            yield RawBlock(path, [], [], Span(0, start))
        chunks = chain([head[start:]], chunks)
    yield from blocks_of_lines(path, chunks, start, limits.max_event_bytes)
    sound.tell()


def _blocks_of_range(file: BinaryIO, piece: FileRange, limits: ReadLimits) -> Iterator[RawBlock]:
    """The lines that start in the range: a line that began before it belongs to the one before."""
    position = piece.start
    if piece.start > 0:
        # The byte before the range tells whether a line starts at its first byte.
        file.seek(piece.start - 1)
        position = _after_line_end(file, piece.start - 1, piece.stop)
        if position >= piece.stop:
            return
        file.seek(position)
    yield from _lines(piece.path, _chunks_to_line_end(file, piece, position), position, limits)


def _after_line_end(file: BinaryIO, position: int, stop: int) -> int:
    """Offset behind the first line end at or after `position`, or `stop` if there is none."""
    for chunk in _chunks(file, position, stop):
        found = chunk.find(b"\n")
        if found >= 0:
            return position + found + 1
        position += len(chunk)
    return stop


def _chunks_to_line_end(file: BinaryIO, piece: FileRange, position: int) -> Iterator[bytes]:
    """The bytes of a range from `position` on, and on to the end of its last line."""
    last = b""
    for chunk in _chunks(file, position, piece.stop):
        last = chunk
        yield chunk
    if last.endswith(b"\n"):
        return
    for chunk in _chunks(file, piece.stop, piece.size):
        end = chunk.find(b"\n") + 1
        yield chunk[:end] if end else chunk
        if end:
            return


def _document(path: str, chunks: Iterator[bytes], limits: ReadLimits) -> Iterator[RawBlock]:
    """One payload; of a damaged document what there is, and nothing of one over the limit."""
    sound = _UntilDamage(chunks)
    pieces: list[bytes] = []
    size = 0
    for chunk in sound:
        pieces.append(chunk)
        size += len(chunk)
        if size > limits.max_document_bytes:
            raise DamagedInputError(
                f"one document of over {limits.max_document_bytes} bytes (--max_document_bytes)"
            )
    payload = b"".join(pieces)
    del pieces
    payload = payload.removeprefix(BYTE_ORDER_MARK).lstrip(_WHITE)
    offset = size - len(payload)
    payload = payload.rstrip(_WHITE)
    found = [payload] if payload else []
    yield RawBlock(path, found, [offset] * len(found), Span(0, size))
    sound.tell()


def _chunks(file: BinaryIO, position: int, stop: int) -> Iterator[bytes]:
    """The bytes from `position`, where the file is, to `stop`; those that there are, at least."""
    while position < stop:
        chunk = file.read(min(BLOCK_BYTES, stop - position))
        if not chunk:
            raise DamagedInputError(f"it became shorter than {stop} bytes while it was being read")
        position += len(chunk)
        yield chunk


def _peek(chunks: Iterator[bytes], size: int) -> bytes:
    """The first chunks up to `size` or more bytes; damage behind them is its reader's to tell."""
    head: list[bytes] = []
    with suppress(DamagedInputError):
        for chunk in chunks:
            head.append(chunk)
            size -= len(chunk)
            if size <= 0:
                break
    return b"".join(head)


def _why(error: Exception) -> str:
    if isinstance(error, DamagedInputError):
        return str(error)
    return filesystem.reason(error.__cause__ or error)


class _MatchFiles(beam.DoFn):
    def process(self, patterns: list[str]) -> Iterator[Any]:
        for path, size in match_files(patterns).files:
            # The commit holds what the later steps report against this.
            ledger = Ledger(inputs={path: InputLedger(bytes=size)})
            yield beam.pvalue.TaggedOutput("inputs", ledger.to_bytes())
            yield path, size


class _SplitFile(beam.DoFn):
    def __init__(self, input_format: InputFormat, range_bytes: int) -> None:
        self._input_format = input_format
        self._range_bytes = range_bytes

    def process(self, file: tuple[str, int]) -> Iterator[Any]:
        path, size = file
        ranges = split_file(path, size, self._input_format, self._range_bytes)
        if not any(piece.whole for piece in ranges):
            ledger = Ledger(inputs={path: InputLedger(end=size)})
            yield beam.pvalue.TaggedOutput("inputs", ledger.to_bytes())
        yield from ranges


class _ReadRange(beam.DoFn):
    def __init__(self, limits: ReadLimits, local_run: LocalRun) -> None:
        self._limits = limits
        self._local_run = local_run

    def process(self, piece: FileRange) -> Iterator[RawBlock]:
        on_read = partial(_report_bytes, self._local_run)
        return read_range(FileRange(*piece), self._limits, on_read)


def _report_bytes(local_run: LocalRun, count: int) -> None:
    local_run.report(Progress(bytes=count))


class ReadFiles(beam.PTransform):
    """Reads files as blocks.

    Args:
        patterns: Paths and globs, on any filesystem that Beam knows.
        input_format: How to read them; `auto` decides for each by its content.
        limits: What is too long to be read.
        range_bytes: Size of the ranges that large plain files are split into.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        Two collections: `blocks`, of RawBlock, and `inputs`, the books that say which bytes the
        blocks have to account for; give them to WriteAvro.
    """

    def __init__(
        self,
        patterns: list[str],
        *,
        input_format: InputFormat = "auto",
        limits: ReadLimits | None = None,
        range_bytes: int = RANGE_BYTES,
        local_run: LocalRun = REMOTE_RUN,
    ) -> None:
        super().__init__()
        self._patterns = patterns
        self._split = _SplitFile(input_format, range_bytes)
        self._read = _ReadRange(limits or ReadLimits(), local_run)

    def expand(self, root: beam.Pipeline) -> dict[str, beam.PCollection[Any]]:
        files = (
            root
            | "Patterns" >> beam.Create([self._patterns], reshuffle=False)
            | "Match" >> beam.ParDo(_MatchFiles()).with_outputs("inputs", main="files")
        )
        ranges = (
            files.files
            | "SpreadFiles" >> beam.Reshuffle()
            | "Split" >> beam.ParDo(self._split).with_outputs("inputs", main="ranges")
        )
        blocks = (
            ranges.ranges
            | "SpreadRanges" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(self._read).with_output_types(RawBlock)
        )
        inputs = (files.inputs, ranges.inputs) | "Inputs" >> beam.Flatten()
        return {"blocks": blocks, "inputs": inputs}
