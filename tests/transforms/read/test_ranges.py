"""Files are found once by any patterns, and large ones are split into equal ranges."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from types import ModuleType

import pytest

from schemas.errors import InputError
from transforms.read.ranges import match_files, split_file


def write(directory: Path, name: str, data: bytes) -> str:
    """Writes a file and returns its path."""
    path = directory / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("mebibytes", "count", "largest"), [(1, 1, 1), (64, 4, 16), (512, 16, 32), (2048, 32, 64)]
)
def test_a_large_file_is_split_into_equal_ranges(
    mebibytes: int, count: int, largest: int, tmp_path: Path
) -> None:
    path = tmp_path / "sparse"
    size = mebibytes << 20
    with path.open("wb") as file:
        file.truncate(size)
    ranges = split_file(str(path), size, "lines")
    assert len(ranges) == count
    assert {each.stop - each.start for each in ranges} == {largest << 20}
    assert [each.start for each in ranges[1:]] == [each.stop for each in ranges[:-1]]


@pytest.mark.parametrize(("inner", "outer"), [(gzip, gzip), (bz2, gzip), (gzip, lzma)])
def test_a_file_that_is_compressed_twice_is_damaged(
    tmp_path: Path, inner: ModuleType, outer: ModuleType
) -> None:
    data = outer.compress(inner.compress(b'{"id":"1"}\n'))
    (only,) = split_file(write(tmp_path, "twice", data), len(data), "auto")
    assert only.damage == "it is compressed twice; decompress it once first"


def test_a_file_that_matches_several_patterns_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.jsonl", "a.jsonl"):
        write(tmp_path, name, b"{}\n")
    patterns = ["b.jsonl", "*.jsonl", f"{tmp_path}/[ab].jsonl", f"file://{tmp_path}/a.jsonl", "."]
    matched = match_files(patterns)
    assert [file.path for file in matched.files] == [
        f"{tmp_path}/b.jsonl",
        f"{tmp_path}/a.jsonl",
    ]
    assert matched.directories == [str(tmp_path)]


def test_a_link_to_its_own_directory_does_not_repeat_files(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b"{}\n")
    (tmp_path / "loop").symlink_to(".")
    assert [file.path for file in match_files([f"{tmp_path}/**/*.jsonl"]).files] == [path]


def test_two_names_of_one_file_are_one_file(tmp_path: Path) -> None:
    write(tmp_path, "2025.jsonl", b"{}\n")
    (tmp_path / "current.jsonl").symlink_to("2025.jsonl")
    assert len(match_files([f"{tmp_path}/*.jsonl"]).files) == 1


def test_an_unreadable_file_among_others_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", b"{}\n")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    with pytest.raises(InputError, match=r"loop\.jsonl"):
        match_files([f"{tmp_path}/*.jsonl"])
