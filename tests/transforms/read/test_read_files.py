"""Reading files of every format, codec and damage: each line once, each byte accounted for."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import tempfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.read.compressed import COMPRESS, COMPRESS_OR_PLAIN
from transforms.blocks.block import RawBlock
from transforms.blocks.block_size import BLOCK_BYTES
from transforms.blocks.ledger import Ledger
from transforms.blocks.origin import InputNote
from transforms.blocks.rejection import PAYLOAD_HEAD_BYTES, Rejection
from transforms.read import compression, lines
from transforms.read.file_format import InputFormat
from transforms.read.limits import ReadLimits
from transforms.read.ranges import FileRange, split_file
from transforms.read.read_files import ReadFiles, read_range
from transforms.storage import filesystem

_MARK = b"\xef\xbb\xbf"


@dataclass
class _Read:
    payloads: list[tuple[int, bytes]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    notes: list[InputNote] = field(default_factory=list)

    def add(self, block: RawBlock) -> None:
        self.payloads.extend(zip(block.offsets, block.payloads, strict=True))
        self.rejections.extend(block.rejections)
        if block.span is not None:
            self.spans.append((block.span.start, block.span.end))
        if block.note is not None:
            self.notes.append(block.note)

    @property
    def damage(self) -> str | None:
        return next((note.damage for note in self.notes if note.damage), None)

    def tiled_to(self) -> int:
        """Returns the end of the spans, which must be adjacent from 0."""
        position = 0
        for start, end in sorted(self.spans):
            assert start == position
            assert end > start
            position = end
        return position

    def lines(self) -> list[bytes]:
        return [payload for _, payload in sorted(self.payloads)]


def _read(
    path: str,
    *,
    input_format: InputFormat = "auto",
    limits: ReadLimits | None = None,
    range_bytes: int = 1 << 30,
) -> _Read:
    got = _Read()
    for file_range in split_file(path, os.stat(path).st_size, input_format, range_bytes):
        for block in read_range(file_range, limits or ReadLimits()):
            assert block.source == path
            got.add(block)
    return got


def _expected(data: bytes) -> list[tuple[int, bytes]]:
    """Returns the lines of a plain file with their offsets."""
    found = []
    offset = 0
    for line in data.split(b"\n"):
        skipped = len(_MARK) if offset == 0 and line.startswith(_MARK) else 0
        text = line[skipped:].removesuffix(b"\r")
        if text.strip(b" \t\r"):
            found.append((offset + skipped, text))
        offset += len(line) + 1
    return found


def _file(directory: Path | str, name: str, data: bytes) -> str:
    path = os.path.join(directory, name)
    Path(path).write_bytes(data)
    return path


_WHITE = st.sampled_from([b"\n", b"\r\n", b"\r", b" ", b"\t\n", b" " * 30])
_TEXT = st.sampled_from([b"{}", b'{"a":1}', b"x" * 30, b'{"b":"y"}\n', b"\x00", b"\xff", _MARK])
_BEGIN = st.sampled_from([b"", b"", _MARK, b"\n", _MARK + b"\r\n"])
_CONTENTS = st.tuples(_BEGIN, st.lists(_WHITE | _TEXT, max_size=30).map(b"".join)).map(b"".join)


@given(
    data=_CONTENTS,
    range_bytes=st.integers(1, 90),
    chunk_bytes=st.integers(1, 50),
    block_bytes=st.integers(1, 90),
)
def test_every_line_is_read_once_for_any_size_of_ranges_and_blocks(
    data: bytes, range_bytes: int, chunk_bytes: int, block_bytes: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        patch.object(compression, "CHUNK_BYTES", chunk_bytes),
        patch.object(lines, "BLOCK_BYTES", block_bytes),
    ):
        path = _file(directory, "f.jsonl", data)
        got = _read(path, input_format="lines", range_bytes=range_bytes)
    assert sorted(got.payloads) == _expected(data)
    assert got.tiled_to() == len(data)
    assert (got.rejections, got.notes) == ([], [])
    for offset, payload in got.payloads:
        assert data[offset:].startswith(payload)


@pytest.mark.parametrize("seed", range(300))
def test_random_files_are_read_whole(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    ends = draw.choice([[b"\n"], [b"\r\n"], [b"\n", b"\r\n", b"\n\n", b"\n \n"]])
    data = draw.choice([b"", b"", _MARK, b"\n"]) + b"".join(
        b"x" * draw.choice([0, 1, 7, 80, 900]) + draw.choice(ends)
        for _ in range(draw.randrange(60))
    )
    data += draw.choice([b"", b"", b"last", b"\r"])
    limit = draw.choice([3, 79, 80, 5000])
    suffix = draw.choice(["", "", "", *COMPRESS])
    path = _file(tmp_path, "f" + suffix, COMPRESS_OR_PLAIN[suffix](data))
    with (
        patch.object(compression, "CHUNK_BYTES", draw.choice([1, 13, 100, 4096])),
        patch.object(lines, "BLOCK_BYTES", draw.choice([1, 50, 500, 4096])),
    ):
        got = _read(
            path,
            input_format="lines",
            range_bytes=draw.choice([1, 2, 10, 79, 80, 81, 500, 1 << 20]),
            limits=ReadLimits(max_event_bytes=limit),
        )
    expected = _expected(data)
    assert sorted(got.payloads) == [each for each in expected if len(each[1]) <= limit]
    assert sorted((each.offset, each.payload) for each in got.rejections) == [
        (offset, line) for offset, line in expected if len(line) > limit
    ]
    assert got.tiled_to() == len(data)
    assert got.damage is None
    assert [note.end for note in got.notes] == ([len(data)] if suffix else [])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", _MARK])
def test_ranges_that_end_near_a_line_end_lose_and_repeat_no_line(
    mark: bytes, end: str, tmp_path: Path
) -> None:
    data = mark + b'{"a":1}\n{"b":2}\n\n{"c":3}\n{"d":4}'.replace(b"\n", end.encode())
    path = _file(tmp_path, "f", data)
    for range_bytes in range(1, len(data) + 2):
        got = _read(path, range_bytes=range_bytes)
        assert got.lines() == [b'{"a":1}', b'{"b":2}', b'{"c":3}', b'{"d":4}']
        assert got.tiled_to() == len(data)


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n \n\t\n", _MARK, _MARK + b"\n"])
@pytest.mark.parametrize("suffix", COMPRESS_OR_PLAIN)
def test_a_file_without_lines_has_no_payload_and_no_damage(
    data: bytes, suffix: str, tmp_path: Path
) -> None:
    got = _read(_file(tmp_path, "f" + suffix, COMPRESS_OR_PLAIN[suffix](data)), range_bytes=2)
    assert (got.payloads, got.rejections, got.damage) == ([], [], None)
    assert got.tiled_to() == len(data)


def test_many_small_streams_share_a_block(tmp_path: Path) -> None:
    path = _file(tmp_path, "f.gz", gzip.compress(b"{}\n") * 5000)
    (whole,) = split_file(path, os.path.getsize(path), "lines")
    blocks = list(read_range(whole, ReadLimits()))
    assert [len(block.payloads) for block in blocks] == [5000, 0]


# Long lines


def _long_line_outcomes(path: str, range_bytes: int, chunk_bytes: int) -> list[Rejection]:
    with patch.object(compression, "CHUNK_BYTES", chunk_bytes):
        return _read(
            path, range_bytes=range_bytes, limits=ReadLimits(max_event_bytes=50)
        ).rejections


def test_a_long_line_is_one_rejection_for_any_borders_of_ranges_and_chunks(tmp_path: Path) -> None:
    data = b"{}\n" + b'{"a":"' + b"x" * 100 + b'"}\r\n{}\n' + b"y" * 51
    path = _file(tmp_path, "f", data)
    expected = _long_line_outcomes(path, 1 << 20, 1 << 20)
    assert [(each.offset, each.full_size) for each in expected] == [(3, 108), (116, 51)]
    for range_bytes in (1, 2, 3, 4, 50, 51, 52, 110, 113, 114, 116):
        for chunk_bytes in (1, 3, 50, 51, 52, 110, 112):
            assert _long_line_outcomes(path, range_bytes, chunk_bytes) == expected


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_line_of_40_mb_is_never_held_in_memory(suffix: str, tmp_path: Path) -> None:
    data = b'{"a":1}\n' + b"[" * 40_000_000 + b'\n{"a":2}\n'
    path = _file(tmp_path, "f" + suffix, COMPRESS_OR_PLAIN[suffix](data))
    limits = ReadLimits(max_event_bytes=1_000_000)
    tracemalloc.start()
    try:
        got = _read(path, range_bytes=8 << 20, limits=limits)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.lines() == [b'{"a":1}', b'{"a":2}']
    (rejection,) = got.rejections
    assert (rejection.offset, rejection.full_size) == (8, 40_000_000)
    assert len(rejection.payload) == PAYLOAD_HEAD_BYTES
    assert got.tiled_to() == len(data)
    assert peak < 5 * BLOCK_BYTES < len(data)


# Compressed files

_LINES = b"".join(b'{"id":"%d","status":"open"}\n' % number for number in range(2000))

every_suffix = pytest.mark.parametrize("suffix", COMPRESS)


@every_suffix
@pytest.mark.parametrize("named", [True, False])
def test_a_compressed_file_is_read_with_or_without_its_suffix(
    suffix: str, named: bool, tmp_path: Path
) -> None:
    name = "f.jsonl" + suffix if named else "f.jsonl"
    packed = COMPRESS[suffix](_LINES[:5000]) + COMPRESS[suffix](_LINES[5000:])
    got = _read(_file(tmp_path, name, packed), range_bytes=10)
    assert sorted(got.payloads) == _expected(_LINES)
    assert got.tiled_to() == len(_LINES)
    assert [(note.end, note.damage) for note in got.notes] == [(len(_LINES), None)]


@every_suffix
@pytest.mark.parametrize("content", [b"", b'{"a":1}\n{"a":2}\n', b"{\n}\n"])
def test_a_compressed_name_with_plain_content_is_damage(
    suffix: str, content: bytes, tmp_path: Path
) -> None:
    got = _read(_file(tmp_path, "f.jsonl" + suffix, content))
    assert got.payloads == []
    assert got.damage is not None
    assert got.damage.startswith("the name says")
    assert [note.end for note in got.notes] == [0]


@every_suffix
def test_a_truncated_file_is_damaged_and_read_up_to_there(suffix: str, tmp_path: Path) -> None:
    packed = COMPRESS[suffix](_LINES)
    draw = random.Random(1)
    lengths = range(len(packed)) if len(packed) < 500 else draw.sample(range(len(packed)), 200)
    for length in lengths:
        got = _read(_file(tmp_path, "f" + suffix, packed[:length]))
        assert got.damage is not None
        assert got.notes[-1].end == got.tiled_to()
        read = got.lines()
        # The truncated last line is read too: every byte is accounted for.
        assert b"\n".join(read) == _LINES[: got.tiled_to()].removesuffix(b"\n")


@every_suffix
def test_garbage_after_the_last_stream_is_damage(suffix: str, tmp_path: Path) -> None:
    got = _read(_file(tmp_path, "f" + suffix, COMPRESS[suffix](_LINES) + b'{"a":1}\n'))
    assert got.damage is not None
    assert sorted(got.payloads) == _expected(_LINES)


@every_suffix
def test_a_corrupt_byte_loses_nothing_before_it(suffix: str, tmp_path: Path) -> None:
    first = COMPRESS[suffix](_LINES)
    second = bytearray(COMPRESS[suffix](random.Random(2).randbytes(3000).hex().encode()))
    second[len(second) // 2] ^= 0xFF
    got = _read(_file(tmp_path, "f" + suffix, first + bytes(second)), input_format="lines")
    assert got.damage is not None
    assert got.lines()[:2000] == [line for _, line in _expected(_LINES)]


def test_a_bomb_of_one_endless_line_is_read_in_constant_memory(tmp_path: Path) -> None:
    path = _file(tmp_path, "f.gz", gzip.compress(b"[" * (64 << 20)))
    tracemalloc.start()
    try:
        (rejection,) = _read(path, limits=ReadLimits(max_event_bytes=1 << 20)).rejections
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rejection.full_size == 64 << 20
    assert peak < 5 * BLOCK_BYTES < 64 << 20


def test_a_bomb_of_short_lines_makes_blocks_of_limited_size(tmp_path: Path) -> None:
    path = _file(tmp_path, "f.gz", gzip.compress(b"1\n" * (2 << 20)))
    (file_range,) = split_file(path, os.stat(path).st_size, "auto")
    most = count = 0
    tracemalloc.start()
    try:
        for block in read_range(file_range, ReadLimits()):
            most = max(most, len(block.payloads))
            count += len(block.payloads)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (most, count) == (10_000, 2 << 20)
    assert peak < 64 << 20


# Documents


@pytest.mark.parametrize("suffix", COMPRESS_OR_PLAIN)
@pytest.mark.parametrize("mark", [b"", _MARK])
@pytest.mark.parametrize("input_format", ["auto", "document"])
def test_a_document_is_one_payload(
    mark: bytes, suffix: str, input_format: InputFormat, tmp_path: Path
) -> None:
    text = json.dumps({"data": [{"id": i} for i in range(50)]}, indent=2).encode()
    data = mark + b"\n " + text + b"\r\n\n"
    path = _file(tmp_path, "f" + suffix, COMPRESS_OR_PLAIN[suffix](data))
    got = _read(path, input_format=input_format, range_bytes=7)
    assert got.payloads == [(len(mark) + 2, text)]
    assert got.tiled_to() == len(data)
    assert [(note.end, note.damage) for note in got.notes] == [(len(data), None)]


def test_a_single_line_can_be_read_as_a_document(tmp_path: Path) -> None:
    path = _file(tmp_path, "f", b'{"a":1}\n')
    assert _read(path, input_format="document").payloads == [(0, b'{"a":1}')]
    assert _read(_file(tmp_path, "e", b" \n"), input_format="document").payloads == []


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_document_over_the_limit_is_damage_that_names_the_limit_and_its_option(
    suffix: str, tmp_path: Path
) -> None:
    text = b"[\n" + b'{"id":1},\n' * 100 + b"{}]"
    path = _file(tmp_path, "f" + suffix, COMPRESS_OR_PLAIN[suffix](text))
    got = _read(path, limits=ReadLimits(max_document_bytes=len(text) - 1))
    assert got.payloads == []
    assert got.damage == f"one document of over {len(text) - 1} bytes (--max_document_bytes)"
    assert got.notes[-1].end == got.tiled_to() == 0
    assert _read(path, limits=ReadLimits(max_document_bytes=len(text))).damage is None


def test_a_damaged_document_is_read_up_to_the_damage(tmp_path: Path) -> None:
    text = json.dumps([{"id": number} for number in range(100)], indent=1).encode()
    got = _read(_file(tmp_path, "f.gz", gzip.compress(text)[:-4]))
    assert got.damage == "the gzip data is truncated"
    assert got.payloads == [(0, text)]
    assert got.notes[-1].end == got.tiled_to() == len(text)


# Files that change or cannot be read


@pytest.mark.parametrize("left", [0, 1, 49, 50, 51, 60, 99])
@pytest.mark.parametrize("range_bytes", [1, 20, 50, 1 << 20])
def test_a_file_that_became_shorter_is_damaged(left: int, range_bytes: int, tmp_path: Path) -> None:
    data = b'{"a":123}\n' * 10
    path = _file(tmp_path, "f", data)
    ranges = split_file(path, len(data), "lines", range_bytes)
    _file(tmp_path, "f", data[:left])
    got = _Read()
    for file_range in ranges:
        for block in read_range(file_range, ReadLimits()):
            got.add(block)
    assert got.damage is not None
    assert "became shorter" in got.damage
    assert got.tiled_to() == left
    assert b"".join(payload for _, payload in sorted(got.payloads)) == data[:left].replace(
        b"\n", b""
    )
    # The length of a plain file is known, so the ledger shows the missing bytes.
    assert {note.end for note in got.notes} == {len(data)}


def test_a_document_that_became_shorter_is_damaged(tmp_path: Path) -> None:
    data = b"[\n{},\n{}\n]"
    path = _file(tmp_path, "f", data)
    (file_range,) = split_file(path, len(data), "auto")
    _file(tmp_path, "f", data[:6])
    got = _Read()
    for block in read_range(file_range, ReadLimits()):
        got.add(block)
    assert got.damage is not None
    assert got.payloads == [(0, b"[\n{},")]


def test_bytes_that_are_appended_while_a_file_is_read_are_ignored(tmp_path: Path) -> None:
    path = _file(tmp_path, "f", b"{}\n{}\n")
    ranges = split_file(path, 6, "auto", 4)
    _file(tmp_path, "f", b"{}\n{}\n{}\n")
    blocks = [block for file_range in ranges for block in read_range(file_range, ReadLimits())]
    assert sum(len(block.payloads) for block in blocks) == 2


def test_a_deleted_file_is_damage(tmp_path: Path) -> None:
    path = f"{tmp_path}/gone"
    (file_range,) = split_file(path, 10, "auto")
    (block,) = read_range(file_range, ReadLimits())
    assert block.note == InputNote(path, 0, "No such file or directory")
    (block,) = read_range(FileRange(path, 0, 10, 10, "lines"), ReadLimits())
    assert block.note == InputNote(path, 10, "No such file or directory")


def test_a_disk_error_is_damage_after_what_was_read(tmp_path: Path) -> None:
    path = _file(tmp_path, "f", b'{"a":1}\n{"a":2}\n')
    (file_range,) = split_file(path, 16, "auto")

    class Failing:
        def __init__(self) -> None:
            self._file = open(path, "rb")  # noqa: SIM115

        def read(self, size: int) -> bytes:
            if self._file.tell() >= 10:
                raise OSError(5, "Input/output error")
            return self._file.read(10)

        def tell(self) -> int:
            return self._file.tell()

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

    with patch.object(filesystem, "open_for_reading", lambda path: Failing()):
        got = _Read()
        for block in read_range(file_range, ReadLimits()):
            got.add(block)
    assert got.lines() == [b'{"a":1}', b'{"']
    assert got.damage == "Input/output error"


# The transform

_RUNNERS = ["FnApiRunner", "BundleBasedDirectRunner"]


class _Flatten(beam.DoFn):
    def process(self, block: RawBlock) -> Iterator[tuple[str, str, Any]]:
        for offset, payload in zip(block.offsets, block.payloads, strict=True):
            yield "payload", block.source, (offset, payload)
        for each in block.rejections:
            yield "too large", block.source, (each.offset, each.full_size)
        ledger = Ledger()
        ledger.account_for(block.source, block.span, block.note)
        yield "ledger", block.source, ledger.to_bytes()


def _run(runner: str, path: Path, patterns: list[str], **options: Any) -> list[tuple[Any, ...]]:
    """Runs ReadFiles in a pipeline and returns its output."""
    out = path / "out"
    out.mkdir()

    def keep(rows: list[tuple[Any, ...]]) -> None:
        (out / "rows").write_bytes(pickle.dumps(rows))

    arguments = ["--runner", runner, "--no_pipeline_type_check"]
    with beam.Pipeline(options=PipelineOptions(arguments)) as root:
        read = root | ReadFiles(patterns, **options)
        rows = read["blocks"] | beam.ParDo(_Flatten())
        inputs = read["inputs"] | beam.Map(lambda ledger: ("ledger", "", ledger))
        _ = (rows, inputs) | beam.Flatten() | beam.combiners.ToList() | beam.Map(keep)
    found: list[tuple[Any, ...]] = pickle.loads((out / "rows").read_bytes())
    return found


def _ledger(rows: list[tuple[Any, ...]]) -> Ledger:
    return Ledger.merged(record for kind, _, record in rows if kind == "ledger")


@pytest.mark.parametrize("runner", _RUNNERS)
def test_a_pipeline_reads_all_files(runner: str, tmp_path: Path) -> None:
    data = tmp_path / "in [1] ü"
    data.mkdir()
    page = json.dumps({"data": [{"id": 1}]}, indent=2).encode()
    first = _LINES.index(b"\n", 500) + 1
    long_line = _LINES[:first] + b"z" * 300 + b"\n" + _LINES[first:900]
    contents = {
        "plain.jsonl": _LINES,
        "crlf.jsonl": _MARK + _LINES[:7000].replace(b"\n", b"\r\n"),
        "long.jsonl": long_line,
        "empty.jsonl": b"",
        "blank.jsonl": b"\n \r\n",
        "page.json": page,
        **{f"packed.jsonl{suffix}": _LINES[:3000] for suffix in COMPRESS},
    }
    for name, content in contents.items():
        _file(data, name, COMPRESS.get(os.path.splitext(name)[1], bytes)(content))
    (data / "directory.jsonl").mkdir()

    pattern = str(data).replace("[", "[[]")
    rows = _run(
        runner,
        tmp_path,
        [f"{pattern}/*", f"{data}/plain.jsonl"],
        range_bytes=1000,
        limits=ReadLimits(max_event_bytes=200),
    )

    expected = []
    for name, content in contents.items():
        lines = [(0, page)] if name == "page.json" else _expected(content)
        expected += [("payload", f"{data}/{name}", each) for each in lines if each[1][:1] != b"z"]
    assert sorted(row for row in rows if row[0] == "payload") == sorted(expected)
    (too_large,) = [row for row in rows if row[0] == "too large"]
    assert too_large[1] == f"{data}/long.jsonl"
    assert too_large[2] == (first, 300)

    ledger = _ledger(rows)
    assert ledger.discrepancies() == []
    assert {path: each.end for path, each in ledger.inputs.items()} == {
        f"{data}/{name}": len(content) for name, content in contents.items()
    }
    for path, each in ledger.inputs.items():
        assert each.bytes == os.stat(path).st_size
        assert each.damage is None


@pytest.mark.parametrize("runner", _RUNNERS)
def test_a_pipeline_reports_damaged_files_and_reads_the_others(runner: str, tmp_path: Path) -> None:
    data = tmp_path / "in"
    data.mkdir()
    whole = _file(data, "whole.jsonl", _LINES)
    truncated = _file(data, "truncated.jsonl.gz", gzip.compress(_LINES)[:-1])
    misnamed = _file(data, "misnamed.jsonl.zst", _LINES)
    rows = _run(runner, tmp_path, [f"{data}/*"], range_bytes=5000)
    ledger = _ledger(rows)
    assert {path: each.damage for path, each in ledger.inputs.items()} == {
        whole: None,
        truncated: "the gzip data is truncated",
        misnamed: "the name says zstandard, but the content does not begin like it",
    }
    lines = [each[2] for each in rows if each[:2] == ("payload", whole)]
    assert sorted(lines) == _expected(_LINES)


def test_an_empty_file_with_the_name_of_a_codec_is_named_as_empty(tmp_path: Path) -> None:
    damage = _read(_file(tmp_path, "empty.jsonl.gz", b"")).damage
    assert damage == "the name says gzip, but the file is empty"


@pytest.mark.parametrize("runner", _RUNNERS)
def test_a_pipeline_without_files_has_an_empty_ledger(runner: str, tmp_path: Path) -> None:
    assert _run(runner, tmp_path, [f"{tmp_path}/none*"]) == []
