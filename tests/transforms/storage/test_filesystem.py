"""Files are matched, read and written; errors name the file and the reason."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, MatchResult
from apache_beam.io.filesystems import FileSystems

from schemas.errors import InputError, OutputError, UsageError
from tests.transforms.memory_filesystem import MemoryFileSystem
from transforms.local.install_hint import install_beam_extra
from transforms.storage import filesystem
from transforms.storage.filesystem import FileInfo, InputFile, Matched

_ODD_NAMES = [
    "a b.jsonl",
    "a[1].jsonl",
    "a*.jsonl",
    "a?.jsonl",
    "[!x].jsonl",
    "Stellen-größe-職.jsonl",
    "a'\"$;&.jsonl",
    "%41.jsonl",
    "a\nb.jsonl",
    "-rf",
    "~",
    "a\\b.jsonl",
    "{a,b}.jsonl",
]


def _names(matched: Matched) -> list[str]:
    return [os.path.basename(file.path) for file in matched.files]


def _file(path: Path, data: bytes = b"{}\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def _input(path: str, size: int) -> InputFile:
    return InputFile(path, size, os.stat(path).st_mtime_ns)


def test_a_path_matches_its_file_with_its_size_and_time(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.jsonl", b"12345")
    assert filesystem.match(path) == Matched([_input(path, 5)], [])
    assert filesystem.match("file://" + path) == Matched([_input(path, 5)], [])


def test_the_matches_of_a_pattern_are_sorted(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.txt", "sub/d.jsonl"):
        _file(tmp_path / name)
    assert _names(filesystem.match(f"{tmp_path}/*.jsonl")) == ["a.jsonl", "b.jsonl"]
    assert _names(filesystem.match(f"{tmp_path}/**/*.jsonl")) == ["a.jsonl", "b.jsonl", "d.jsonl"]
    assert _names(filesystem.match(f"{tmp_path}/[ac].*")) == ["a.jsonl", "c.txt"]


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path / "a.jsonl")
    monkeypatch.chdir(tmp_path)
    for pattern in ("a.jsonl", "./a.jsonl", "*.jsonl", "x/../a.jsonl"):
        assert filesystem.match(pattern).files == [_input(path, 3)]


@pytest.mark.parametrize("pattern", ["none.jsonl", "*.none", "no/such/place/*", "a.jsonl/*"])
def test_a_missing_file_matches_nothing(tmp_path: Path, pattern: str) -> None:
    _file(tmp_path / "a.jsonl")
    assert filesystem.match(f"{tmp_path}/{pattern}") == Matched([], [])


def test_directories_are_listed_apart_from_files(tmp_path: Path) -> None:
    path = _file(tmp_path / "in" / "a.jsonl")
    (tmp_path / "in" / "b.jsonl").mkdir()
    directory = str(tmp_path / "in")
    assert filesystem.match(directory) == Matched([], [directory])
    assert filesystem.match(directory + "/") == Matched([], [directory])
    assert filesystem.match(directory + "/*") == Matched(
        [_input(path, 3)], [directory + "/b.jsonl"]
    )


@pytest.mark.parametrize("name", _ODD_NAMES)
def test_a_file_of_any_name_is_found_by_it_and_read(tmp_path: Path, name: str) -> None:
    path = _file(tmp_path / name, name.encode())
    assert filesystem.match(path).files == [_input(path, len(name.encode()))]
    assert filesystem.read(path) == name.encode()


def test_a_name_that_is_also_a_pattern_of_other_files_means_itself(tmp_path: Path) -> None:
    for name in ("a[1].jsonl", "a1.jsonl"):
        _file(tmp_path / name)
    assert _names(filesystem.match(f"{tmp_path}/a[1].jsonl")) == ["a[1].jsonl"]


def test_a_file_whose_name_is_the_pattern_does_not_hide_other_matches(tmp_path: Path) -> None:
    for name in ("*.jsonl", "a.jsonl"):
        _file(tmp_path / name)
    assert _names(filesystem.match(f"{tmp_path}/*.jsonl")) == ["*.jsonl", "a.jsonl"]


def test_a_loop_of_symbolic_links_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    for pattern in ("loop.jsonl", "*.jsonl"):
        with pytest.raises(InputError) as caught:
            filesystem.match(f"{tmp_path}/{pattern}")
        assert caught.value.message.startswith(f"cannot read the input {tmp_path}/loop.jsonl: ")
        assert "symbolic links" in caught.value.message


def test_a_symbolic_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to("no-such-file")
    with pytest.raises(InputError, match="No such file"):
        filesystem.match(f"{tmp_path}/*.jsonl")


def test_a_symbolic_link_to_a_file_is_read(tmp_path: Path) -> None:
    _file(tmp_path / "a.txt", b"1234")
    (tmp_path / "link.jsonl").symlink_to("a.txt")
    assert filesystem.match(f"{tmp_path}/*.jsonl").files == [_input(f"{tmp_path}/link.jsonl", 4)]


def test_a_pipe_is_refused_and_not_read_as_an_empty_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for pattern in ("pipe.jsonl", "*.jsonl"):
        with pytest.raises(InputError, match="a pipe or a device"):
            filesystem.match(f"{tmp_path}/{pattern}")


def test_a_socket_and_a_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jsonl")
        with pytest.raises(InputError):
            filesystem.match("s.jsonl")
    with pytest.raises(InputError):
        filesystem.match("/dev/null")


def test_an_unknown_scheme_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        filesystem.match("nosuch://bucket/*.jsonl")
    assert "nosuch://" in caught.value.message
    with pytest.raises(UsageError):
        filesystem.open_for_reading("nosuch://bucket/a")
    with pytest.raises(UsageError):
        filesystem.create("nosuch://bucket/a")


def test_a_scheme_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(patterns: list[str]) -> NoReturn:
        raise BeamIOError("Match failed", {patterns[0]: AssertionError("Missing boto3")})

    monkeypatch.setattr(FileSystems, "match", staticmethod(missing))
    with pytest.raises(InputError) as caught:
        filesystem.match("s3://bucket/*.jsonl")
    assert caught.value.message == "cannot search for s3://bucket/*.jsonl: Missing boto3"
    assert caught.value.hint is not None
    assert install_beam_extra("aws") in caught.value.hint


def test_remote_matches_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [FileMetadata("gs://x/b", 2), FileMetadata("gs://x/a", 1, 1.5)]
    monkeypatch.setattr(
        FileSystems, "match", staticmethod(lambda patterns: [MatchResult("", found)])
    )
    assert filesystem.match("gs://x/*").files == [
        InputFile("gs://x/a", 1, 1_500_000_000),
        InputFile("gs://x/b", 2, None),
    ]


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path, why in (
        (f"{tmp_path}/none", "No such file or directory"),
        (f"{tmp_path}", "Is a directory"),
        (f"{tmp_path}/loop", "symbolic links"),
    ):
        with pytest.raises(InputError) as caught:
            filesystem.open_for_reading(path)
        assert caught.value.message.startswith(f"cannot open the input {path}: ")
        assert why in caught.value.message


def test_a_compressed_file_is_not_decompressed(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.gz", b"\x1f\x8b not gzip")
    assert filesystem.read(path) == b"\x1f\x8b not gzip"


def test_the_text_of_an_error_is_one_short_line() -> None:
    beneath = PermissionError(13, "Permission denied")
    assert filesystem.error_text(BeamIOError("Match operation failed", {"gs://x": beneath})) == (
        "Permission denied"
    )
    nested = BeamIOError("Match failed", {"gs://x": BeamIOError("List failed", {"": beneath})})
    assert filesystem.error_text(nested) == "Permission denied"
    outer = RuntimeError("several\nlines\nof text")
    assert filesystem.error_text(outer) == "of text"
    outer.__cause__ = beneath
    assert filesystem.error_text(outer) == "Permission denied"
    assert filesystem.error_text(ValueError()) == "ValueError"


# Writing


def test_a_small_file_is_written_below_new_directories(tmp_path: Path) -> None:
    path = f"{tmp_path}/new/deep/a [1].json"
    filesystem.write(path, b"first")
    filesystem.write(path, b"second")
    assert filesystem.read(path) == b"second"
    assert filesystem.size(path) == 6
    assert os.listdir(os.path.dirname(path)) == ["a [1].json"]


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    _file(tmp_path / "plain")
    for path in (f"{tmp_path}/plain/a.json", f"{tmp_path}/plain/deep/a.json"):
        with pytest.raises(OutputError, match="cannot write"):
            filesystem.write(path, b"x")
        with pytest.raises(OutputError, match="cannot write"):
            filesystem.create(path)


def test_files_and_directories_are_listed_apart(tmp_path: Path) -> None:
    path = _file(tmp_path / "b.json", b"12")
    other = _file(tmp_path / "a.json", b"1")
    _file(tmp_path / "sub" / "c.json")
    (tmp_path / "gone").symlink_to("nothing")
    assert filesystem.list_files(str(tmp_path)) == [FileInfo(other, 1), FileInfo(path, 2)]
    assert filesystem.list_files(str(tmp_path), "b") == [FileInfo(path, 2)]
    assert filesystem.list_directories(str(tmp_path)) == ["sub"]
    assert filesystem.list_files(f"{tmp_path}/none") == []
    assert filesystem.list_files(path) == []
    assert filesystem.list_directories(f"{tmp_path}/none") == []


def test_a_file_that_is_removed_during_a_listing_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _file(tmp_path / "kept", b"1")
    gone = _file(tmp_path / "gone", b"2")
    with os.scandir(tmp_path) as entries:
        found = list(entries)
    os.remove(gone)
    monkeypatch.setattr(filesystem, "_entries", lambda *_: found)
    assert filesystem.list_files(str(tmp_path)) == [FileInfo(kept, 1)]


def test_a_directory_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match="cannot list"):
        filesystem.list_files(f"{tmp_path}/loop")


@pytest.fixture
def many_objects() -> Iterator[list[tuple[str, str]]]:
    """More objects than one request renames, as pairs of old and new path."""
    MemoryFileSystem.objects.clear()
    pairs = [(f"mem://bucket/staged/{n}", f"mem://bucket/final/{n}") for n in range(350)]
    MemoryFileSystem.objects.update({source: source.encode() for source, _ in pairs})
    yield pairs
    MemoryFileSystem.objects.clear()


def test_many_objects_are_renamed_in_parallel(
    many_objects: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4, timeout=60)
    rename_some = MemoryFileSystem.rename

    def rename(filesystem: MemoryFileSystem, sources: list[str], targets: list[str]) -> None:
        together.wait()
        rename_some(filesystem, sources, targets)

    monkeypatch.setattr(MemoryFileSystem, "rename", rename)
    filesystem.rename(many_objects)
    assert MemoryFileSystem.objects == {target: source.encode() for source, target in many_objects}


def test_an_object_that_cannot_be_renamed_is_an_error(many_objects: list[tuple[str, str]]) -> None:
    del MemoryFileSystem.objects[many_objects[222][0]]
    with pytest.raises(OutputError, match="cannot rename files into mem://bucket/final"):
        filesystem.rename(many_objects)
    assert many_objects[-1][1] in MemoryFileSystem.objects


def test_files_are_renamed_into_new_directories(tmp_path: Path) -> None:
    pairs = [
        (_file(tmp_path / "staging" / name, name.encode()), f"{tmp_path}/out/{name}")
        for name in ("a[1]", "b")
    ]
    filesystem.rename(pairs)
    assert {name: filesystem.read(f"{tmp_path}/out/{name}") for name in ("a[1]", "b")} == {
        "a[1]": b"a[1]",
        "b": b"b",
    }
    with pytest.raises(OutputError, match="cannot rename files into"):
        filesystem.rename(pairs)
    filesystem.rename([])


def test_only_the_named_paths_are_deleted(tmp_path: Path) -> None:
    bracket = _file(tmp_path / "a[1]" / "x" / "file")
    star = _file(tmp_path / "a*")
    kept = _file(tmp_path / "a1")
    (tmp_path / "link").symlink_to("a1")
    filesystem.delete([f"{tmp_path}/a[1]", star, f"{tmp_path}/link", f"{tmp_path}/gone"])
    filesystem.delete([bracket])
    filesystem.delete([])
    assert os.listdir(tmp_path) == ["a1"]
    assert filesystem.exists(kept)


@pytest.mark.parametrize("end", ["", "/"])
def test_deleting_a_link_keeps_the_directory_behind_it(tmp_path: Path, end: str) -> None:
    kept = _file(tmp_path / "theirs" / "a")
    (tmp_path / "link").symlink_to("theirs")
    filesystem.delete([f"{tmp_path}/link{end}"])
    assert os.listdir(tmp_path) == ["theirs"]
    assert filesystem.exists(kept)


def test_a_link_to_a_directory_is_listed_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to("own")
    assert filesystem.list_directories(str(tmp_path)) == ["own"]
    assert filesystem.links(str(tmp_path)) == [f"{tmp_path}/link"]
    assert filesystem.links(f"{tmp_path}/none") == []


def test_a_path_that_cannot_be_deleted_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path / "a")

    def refuse(path: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "remove", refuse)
    with pytest.raises(OutputError, match=f"cannot delete {path}: Operation not permitted"):
        filesystem.delete([path])


def test_only_an_empty_directory_is_removed(tmp_path: Path) -> None:
    _file(tmp_path / "full" / "a")
    (tmp_path / "empty").mkdir()
    for name in ("full", "empty", "none"):
        filesystem.remove_if_empty(f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == ["full"]


def test_the_files_below_a_directory_are_listed_with_their_times(tmp_path: Path) -> None:
    assert filesystem.files_below(f"{tmp_path}/none") == []
    for name, seconds in (("a/b", 1000), ("c", 3000), ("a/d/e", 2000)):
        os.utime(_file(tmp_path / name), (seconds, seconds))
    (tmp_path / "gone").symlink_to("nothing")
    _file(tmp_path.parent / "theirs")
    (tmp_path / "link").symlink_to("../theirs")
    found = {file.path: file.modified_ns for file in filesystem.files_below(str(tmp_path))}
    assert found == {
        f"{tmp_path}/a/b": 1000 * 10**9,
        f"{tmp_path}/c": 3000 * 10**9,
        f"{tmp_path}/a/d/e": 2000 * 10**9,
    }


def test_a_touched_file_has_the_time_of_now_and_a_missing_one_is_not_created(
    tmp_path: Path,
) -> None:
    os.utime(_file(tmp_path / "a"), (1000, 1000))
    filesystem.touch(f"{tmp_path}/a", b"new")
    assert (tmp_path / "a").stat().st_mtime > 1000
    with pytest.raises(OutputError, match="b: No such file"):
        filesystem.touch(f"{tmp_path}/b", b"new")
    assert os.listdir(tmp_path) == ["a"]


def test_paths_of_two_filesystems_can_be_renamed_and_deleted_in_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(FileSystems, "delete", staticmethod(lambda paths: asked.append(paths)))
    monkeypatch.setattr(
        FileSystems, "rename", staticmethod(lambda sources, targets: asked.append(targets))
    )
    local, renamed = _file(tmp_path / "a"), f"{tmp_path}/b"
    filesystem.rename([(local, renamed), ("gs://x/a", "gs://x/b")])
    assert asked == [["gs://x/b"]]
    assert os.listdir(tmp_path) == ["b"]
    asked.clear()
    filesystem.delete([renamed, "gs://x/b", "gs://x/c"])
    assert asked == [["gs://x/b", "gs://x/c"]]
    assert not os.path.exists(renamed)


def test_a_small_file_that_cannot_be_written_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        filesystem.write(str(tmp_path / "report.json"), b"x")
    assert list(tmp_path.iterdir()) == []
