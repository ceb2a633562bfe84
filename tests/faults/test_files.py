"""Inputs and outputs that are not what they should be: told before anything is done, or read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from backports import zstd

from tests.conftest import records_of
from tests.faults.outcome import GOOD, assert_clear, run_over
from tests.pipeline.command import run, visible, write_events

pytestmark = pytest.mark.usefixtures("no_sync")

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    # Without its checksum, no reader could tell that a frame was changed.
    ".zst": partial(zstd.compress, options={zstd.CompressionParameter.checksum_flag: 1}),
}


def test_row_1_a_pattern_that_matches_nothing_is_told(tmp_path: Path) -> None:
    pattern = tmp_path / "none*.jsonl"
    said = run("--input", pattern, "--output", tmp_path / "out")
    assert said.code == 3
    assert_clear(said, pattern, "--allow_no_input")
    said = run("--input", pattern, "--output", tmp_path / "out", "--allow_no_input")
    assert said.code == 0
    assert records_of(tmp_path / "out") == []


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n\n"])
def test_row_2_without_events_there_is_a_valid_empty_output(tmp_path: Path, content: bytes) -> None:
    found = run_over(tmp_path, content)
    assert found.counts() == {}
    assert any(name.startswith("job_status/") for name in visible(found.output))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_row_3_marks_and_line_ends_change_nothing(
    tmp_path: Path, mark: bytes, line_end: bytes, last: bytes
) -> None:
    found = run_over(tmp_path, mark + GOOD + line_end + GOOD + last)
    assert found.counts() == {"written": 2}
    assert found.written[0]["source_offset"] == len(mark)


def _many() -> bytes:
    chance = random.Random(1)
    return b"".join(
        b'{"id":"%d","title":"%x","job_status":"open"}\n' % (number, chance.getrandbits(256))
        for number in range(1000)
    )


@pytest.mark.parametrize("suffix", list(PACKERS))
@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 0.9, 1.0])
def test_row_5_a_compressed_file_that_is_cut_is_never_taken_for_whole(
    tmp_path: Path, suffix: str, share: float
) -> None:
    packed = PACKERS[suffix](_many())
    cut = packed[: min(round(len(packed) * share), len(packed) - 1)]
    name = f"in.jsonl{suffix}"
    found = run_over(tmp_path, cut, name=name, code=3)
    assert_clear(found.said, tmp_path / name)
    assert visible(found.output) == []
    found = run_over(tmp_path, cut, "--on_damaged_input", "keep", name=name, code=3)
    assert "damaged" in found.said.err and name in found.said.err
    assert len(found.written) < 1000 or share == 1.0
    assert len(found.dead) <= 1


@pytest.mark.parametrize("suffix", list(PACKERS))
def test_row_6_a_plain_or_corrupt_file_with_a_compressed_name_is_told(
    tmp_path: Path, suffix: str
) -> None:
    name = f"in.jsonl{suffix}"
    found = run_over(tmp_path, GOOD, name=name, code=3)
    assert_clear(found.said, tmp_path / name)
    packed = bytearray(PACKERS[suffix](_many()))
    packed[len(packed) // 2] ^= 0xFF
    found = run_over(tmp_path, bytes(packed), name=name, code=3)
    assert_clear(found.said, tmp_path / name)
    assert visible(found.output) == []


@pytest.mark.parametrize("suffix", list(PACKERS))
def test_row_7_all_members_of_a_compressed_file_are_read(tmp_path: Path, suffix: str) -> None:
    pack = PACKERS[suffix]
    content = pack(GOOD + b"\n" + GOOD[:7]) + pack(b"") + pack(GOOD[7:] + b"\n")
    assert run_over(tmp_path, content, name=f"in{suffix}").counts() == {"written": 2}


def _loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


def test_row_18_an_output_that_cannot_be_is_told_before_anything_is_read(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1)
    (tmp_path / "plain").write_bytes(b"")
    for output in (tmp_path / "plain" / "out", _loop(tmp_path / "loop") / "out"):
        said = run("--input", path, "--output", output)
        assert said.code == 5
        assert_clear(said, output)


def test_row_19_a_missing_output_directory_is_created(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1)
    assert run("--input", path, "--output", tmp_path / "a" / "b" / "c").code == 0
    assert len(records_of(tmp_path / "a" / "b" / "c")) == 1


def test_row_20_a_directory_that_matches_is_skipped_and_told(tmp_path: Path) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 1)
    (tmp_path / "in" / "sub").mkdir()
    said = run("--input", tmp_path / "in" / "*", "--output", tmp_path / "out")
    assert said.code == 0
    assert f"skipped {tmp_path}/in/sub" in said.err


def test_row_27_an_input_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = _loop(tmp_path / "loop.jsonl")
    said = run("--input", path, "--output", tmp_path / "out")
    assert said.code == 3
    assert_clear(said, path)


@pytest.mark.parametrize(
    ("flag", "meant"),
    [("--outptu", "--output"), ("--max_event_byte", "--max_event_bytes"), ("--runer", "--runner")],
)
def test_row_28_a_misspelt_flag_is_told_with_the_nearest(
    tmp_path: Path, flag: str, meant: str
) -> None:
    said = run("--input", tmp_path, "--output", tmp_path, f"{flag}=5")
    assert said.code == 2
    assert_clear(said, flag, f"did you mean {meant}?")


def test_row_28_an_unknown_flag_is_told(tmp_path: Path) -> None:
    said = run("--input", tmp_path, "--output", tmp_path, "--zzzzzzzz")
    assert said.code == 2
    assert_clear(said, "--zzzzzzzz")


def test_a_document_over_the_limit_is_refused_with_its_option(tmp_path: Path) -> None:
    content = b'[\n{"id":"1"},\n' + b" " * 5000 + b'{"id":"2"}\n]'
    found = run_over(tmp_path, content, "--max_document_bytes", "4000", code=3)
    assert_clear(found.said, tmp_path / "in.jsonl", "--max_document_bytes")
    assert visible(found.output) == []
