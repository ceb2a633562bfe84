"""A commit on an object store keeps the promises of a commit on local disk."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fastavro
import pytest
from apache_beam.io.filesystem import FileMetadata
from msgspec.structs import replace as replace_struct

from schemas.errors import ForeignPathError
from schemas.manifest import Manifest
from tests.transforms.faults import Killed, failing
from tests.transforms.memory_filesystem import MemoryFileSystem
from tests.transforms.runs import run_once, settings, stage
from tests.transforms.write.scenes import (
    NEW,
    OLD,
    content,
    leftovers,
)
from transforms.storage import filesystem
from transforms.storage.manifests import manifest_path
from transforms.write.commit import commit

pytestmark = pytest.mark.usefixtures("no_sync")


@pytest.fixture
def objects() -> dict[str, bytes]:
    """The objects of an empty store."""
    MemoryFileSystem.objects.clear()
    return MemoryFileSystem.objects


def _records_in(objects: dict[str, bytes], prefix: str) -> int:
    return sum(
        len(list(fastavro.reader(io.BytesIO(data))))
        for path, data in objects.items()
        if path.startswith(prefix)
    )


def test_after_a_kill_at_any_step_the_next_run_gives_the_same_records(
    objects: dict[str, bytes],
) -> None:
    output = "mem://bucket/out"
    old = settings(output, "old", write_mode="append")
    new = replace(old, run_id="new", write_mode="overwrite")

    def start() -> None:
        objects.clear()
        run_once(old, OLD)
        # A file of an attempt that the runner repeated: no commit renames it.
        filesystem.write(f"{new.place('job_status_event').staging('new')}/lost.avro", b"half")

    start()
    with failing(None) as done:
        run_once(new, NEW)
    for after in range(len(done)):
        start()
        with failing(after), pytest.raises(Killed):
            run_once(new, NEW)
        run_once(new, NEW)
        assert _records_in(objects, f"{output}/job_status/") == 6
        assert _records_in(objects, f"{output}/dead_letter/") == 2
        assert sorted(path for path in objects if "/_" in path) == [f"{output}/_manifest/new.json"]


def test_dead_letters_go_to_another_filesystem(tmp_path: Path, objects: dict[str, bytes]) -> None:
    run = settings(str(tmp_path), "run", dead_letter_output="mem://bucket/dead")
    with failing(None) as done:
        run_once(run, NEW)
    for after in range(len(done)):
        output = tmp_path / str(after)
        objects.clear()
        run = replace(run, output=str(output))
        with failing(after), pytest.raises(Killed):
            run_once(run, NEW)
        run_once(run, NEW)
        assert _records_in(objects, "mem://bucket/dead/dead_letter-run.") == 2
        assert sum(content(output).values()) == 6
        manifest = Manifest.from_json(Path(manifest_path(str(output), "run")).read_bytes())
        files = [each.path for each in manifest.files if each.output == "dead_letter"]
        assert files == sorted(objects)
        assert leftovers(output) == []


@pytest.mark.parametrize(
    "path", ["../victim/a", "mem://bucket/out/../victim/a", "mem://bucket/victim/a", "/victim/a"]
)
def test_nothing_outside_the_output_is_deleted(objects: dict[str, bytes], path: str) -> None:
    old = settings("mem://bucket/out", "old")
    run_once(old, OLD)
    objects["mem://bucket/victim/a"] = objects["mem://bucket/out/../victim/a"] = b"precious"
    manifest = Manifest.from_json(objects[manifest_path(old.output, "old")])
    manifest.files.append(replace_struct(manifest.files[0], path=path))
    objects[manifest_path(old.output, "old")] = manifest.to_json()
    new = replace(old, run_id="new", write_mode="overwrite")
    ledger = stage(new, NEW)
    before = dict(objects)
    with pytest.raises(ForeignPathError, match=re.escape(repr(path))):
        commit(new, ledger)
    assert objects == before


def test_a_commit_removes_staged_files_that_it_does_not_rename(
    objects: dict[str, bytes],
) -> None:
    run = settings("mem://bucket/out", "run")
    ledger = stage(run, NEW)
    # A file of an attempt that the runner repeated.
    objects[f"{run.place('job_status_event').staging('run')}/lost.avro"] = b"half"
    commit(run, ledger)
    assert [path for path in objects if "_staging" in path] == []


def test_a_commit_does_not_list_the_files_of_other_runs(
    objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = settings("mem://bucket/out", "run", write_mode="append")
    others = {f"mem://bucket/out/job_status/job_status-{n}-00000-of-00001.avro" for n in range(9)}
    objects.update(dict.fromkeys(others, b""))
    ledger = stage(run, NEW)
    listed: list[str] = []

    def list_and_record(filesystem: MemoryFileSystem, prefix: str) -> Iterator[FileMetadata]:
        found = list(real_list(filesystem, prefix))
        listed.extend(each.path for each in found)
        return iter(found)

    real_list = MemoryFileSystem._list
    monkeypatch.setattr(MemoryFileSystem, "_list", list_and_record)
    commit(run, ledger)
    assert others.isdisjoint(listed)
    assert _records_in(objects, "mem://bucket/out/job_status/job_status-run-") == 6
