"""Which inputs the manifests of an output list in their present state."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import OutputError
from schemas.manifest import Input, Manifest
from transforms.storage import filesystem, read_before
from transforms.storage.filesystem import InputFile
from transforms.storage.known_inputs import ReadBefore
from transforms.storage.manifests import intent_of, manifest_path

pytestmark = pytest.mark.usefixtures("no_sync")

FILE = InputFile("/in/a", 10, 5)


def _manifest(output: Path, run_id: str, *inputs: Input, replaces: list[str] | None = None) -> str:
    path = manifest_path(str(output), run_id)
    manifest = Manifest(run_id=run_id, inputs=list(inputs), replaces=replaces or [])
    filesystem.write(path, manifest.to_json())
    return path


def _is_read(output: Path, *inputs: Input) -> bool:
    _manifest(output, "run", *inputs)
    return read_before(str(output), [FILE]).unchanged == {"/in/a"}


@pytest.mark.parametrize(
    ("listed", "is_read"),
    [
        (Input("/in/a", 10, False, 5), True),
        (Input("/in/a", 11, False, 5), False),
        (Input("/in/a", 10, False, 6), False),
        (Input("/in/a", 10, True, 5), False),
        (Input("/in/b", 10, False, 5), False),
    ],
    ids=["same", "size", "time", "damaged", "path"],
)
def test_a_file_is_read_if_its_path_size_and_time_are_listed_without_damage(
    tmp_path: Path, listed: Input, is_read: bool
) -> None:
    assert _is_read(tmp_path, listed) == is_read


def test_a_file_without_a_time_does_not_count_as_read(tmp_path: Path) -> None:
    _manifest(tmp_path, "run", Input("/in/a", 10))
    found = read_before(str(tmp_path), [InputFile("/in/a", 10, None)])
    assert (found.unchanged, found.changed) == (set(), set())


def test_a_file_counts_as_changed_only_if_no_run_has_read_its_state(tmp_path: Path) -> None:
    _manifest(tmp_path, "first", Input("/in/a", 9, False, 4), Input("/in/b", 9, False, 4))
    _manifest(tmp_path, "second", Input("/in/a", 10, False, 5))
    found = read_before(str(tmp_path), [FILE, InputFile("/in/b", 10, 5), InputFile("/in/c", 1, 1)])
    assert (found.unchanged, found.changed) == ({"/in/a"}, {"/in/b"})


def test_a_run_that_is_being_replaced_does_not_count(tmp_path: Path) -> None:
    _manifest(tmp_path, "first", Input("/in/a", 10, False, 5))
    second = _manifest(tmp_path, "second", replaces=["_manifest/first.json"])
    filesystem.write(intent_of(second), b"{}")
    assert read_before(str(tmp_path), [FILE]).unchanged == set()


def test_a_run_with_the_id_of_a_replaced_run_counts(tmp_path: Path) -> None:
    _manifest(tmp_path, "second", replaces=["_manifest/first.json"])
    _manifest(tmp_path, "first", Input("/in/a", 10, False, 5))
    assert read_before(str(tmp_path), [FILE]).unchanged == {"/in/a"}


def test_a_manifest_that_is_replaced_during_the_search_is_found_in_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Input("/in/a", 10, False, 5)
    first = _manifest(tmp_path, "first", listed)
    real_read = filesystem.read

    def replace_then_read(path: str) -> bytes:
        if path == first:
            _manifest(tmp_path, "second", listed, replaces=["_manifest/first.json"])
            filesystem.delete([first])
        return real_read(path)

    monkeypatch.setattr(filesystem, "read", replace_then_read)
    assert read_before(str(tmp_path), [FILE]).unchanged == {"/in/a"}


def test_a_file_that_is_not_a_manifest_is_named(tmp_path: Path) -> None:
    filesystem.write(manifest_path(str(tmp_path), "notes"), b"[]")
    with pytest.raises(OutputError, match=r"notes\.json is not a manifest"):
        read_before(str(tmp_path), [FILE])


def test_an_output_without_manifests_has_read_nothing(tmp_path: Path) -> None:
    assert read_before(str(tmp_path), [FILE]) == ReadBefore(set(), set(), [])


def test_a_known_manifest_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _manifest(tmp_path, "first", Input("/in/a", 10, False, 5))
    known = read_before(str(tmp_path), [FILE]).manifests
    second = _manifest(tmp_path, "second", Input("/in/b", 10, False, 5))
    opened: list[str] = []
    real_read = filesystem.read

    def read(path: str) -> bytes:
        opened.append(path)
        return real_read(path)

    monkeypatch.setattr(filesystem, "read", read)
    found = read_before(str(tmp_path), [FILE, InputFile("/in/b", 10, 5)], known)
    assert found == ReadBefore({"/in/b"}, set(), [second])
    assert opened == [second]
