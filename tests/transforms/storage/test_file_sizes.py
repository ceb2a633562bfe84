"""The sizes of files among others, on disk and on an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import OutputError
from tests.transforms.memory_filesystem import MemoryFileSystem
from transforms.storage.file_sizes import sizes_of


def test_files_that_are_missing_have_no_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    paths = [f"{tmp_path}/{name}" for name in ("a", "b", "a/c", "none/d")]
    assert sizes_of(paths) == {f"{tmp_path}/a": 3}


def test_objects_have_sizes_beside_local_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    MemoryFileSystem.objects.clear()
    MemoryFileSystem.objects["mem://bucket/x/b"] = b"12"
    paths = [f"{tmp_path}/a", "mem://bucket/x/b", "mem://bucket/x/c"]
    assert sizes_of(paths) == {f"{tmp_path}/a": 3, "mem://bucket/x/b": 2}
    MemoryFileSystem.objects.clear()


def test_a_file_that_cannot_be_asked_for_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=r"cannot read .*/loop/a: "):
        sizes_of([f"{tmp_path}/loop/a"])
