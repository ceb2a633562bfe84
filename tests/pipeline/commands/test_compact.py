"""`compact` rewrites the files of many runs as few, and loses nothing that later runs need."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.errors import OutputError
from tests.conftest import Records, records_of
from tests.pipeline.command import (
    Said,
    as_counter,
    assert_clear_error,
    job_status,
    run,
    visible,
    write_events,
)
from transforms.compact import commit as commit_module
from transforms.compact import plan
from transforms.storage import filesystem, locked, manifest_directory
from transforms.storage.manifests import committed_blocks, read_manifests

pytestmark = pytest.mark.usefixtures("no_sync")


def compact(output: Path, *more: str) -> Said:
    """Compacts all runs of an output, however young they are."""
    return job_status("compact", output, "--older_than", "0s", *more)


def add_run(output: Path, run_id: str, first: int, count: int, bad: int = 0) -> Said:
    """Runs events with these job ids into an output."""
    events = write_events(output.parent / f"{run_id}.jsonl", first, count, bad)
    return run("--input", events, "--output", output, "--run_id", run_id, "--write_mode", "append")


def manifest_of(output: Path) -> dict[str, Any]:
    """Returns the only manifest of an output."""
    (path,) = (output / "_manifest").iterdir()
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def job_ids(output: Path) -> list[int]:
    """Returns the job ids of all events."""
    return sorted(int(record["job_id"]) for record in records_of(output))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output of two runs that share 20 of 80 events, and three of four dead letters."""
    output = tmp_path / "out"
    assert add_run(output, "one", 0, 40, bad=2).code == 0
    assert add_run(output, "two", 20, 40, bad=2).code == 0
    return output


def without_source(records: Records) -> Counter[str]:
    """Counts records, whatever input they came from."""
    return as_counter([{**record, "source": "", "source_offset": 0} for record in records])


def test_each_event_stands_once_and_the_counts_add_up(output: Path) -> None:
    before = records_of(output)
    said = compact(output)
    assert said.code == 0, said.err
    after = records_of(output)
    assert job_ids(output) == list(range(60))
    assert without_source(after) == Counter(without_source(before).keys())
    manifest = manifest_of(output)
    assert (manifest["read"], manifest["written"], manifest["dead_lettered"]) == (84, 60, 4)
    assert manifest["duplicates"] == 20
    assert manifest["conserved"]
    assert [line.split()[:2] for line in said.err.splitlines()] == [
        ["in", "84"],
        ["duplicates", "20"],
        ["out", "64"],
    ]


def test_of_equal_events_the_first_that_was_committed_stays(output: Path) -> None:
    assert compact(output).code == 0
    sources = {int(each["job_id"]): each["source"] for each in records_of(output)}
    assert {Path(sources[number]).name for number in range(40)} == {"one.jsonl"}
    # What is compacted stays the first, although it was committed last.
    assert add_run(output, "three", 0, 70).code == 0
    assert compact(output).code == 0
    sources = {int(each["job_id"]): each["source"] for each in records_of(output)}
    assert Path(sources[0]).name == "one.jsonl"
    assert Path(sources[69]).name == "three.jsonl"


def test_inspect_finds_no_difference(output: Path) -> None:
    assert compact(output).code == 0
    said = job_status("inspect", output)
    assert said.code == 0, said.err
    folder = output / "job_status" / "event_day=2025-05-01"
    (file,) = folder.iterdir()
    for path in (folder, file):
        assert job_status("inspect", path).code == 0
    file.write_bytes(file.read_bytes()[:-20])
    assert job_status("inspect", file).code == 1
    (folder / "other.avro").write_bytes(b"")
    assert "other.avro" in job_status("inspect", output).out


def _times(path: Path) -> list[datetime | None]:
    with path.open("rb") as file:
        return [row["event_time"] for row in fastavro.reader(file) if isinstance(row, dict)]


@pytest.mark.parametrize("partition_by", ["day", "none"])
def test_each_file_is_sorted_by_event_time(tmp_path: Path, partition_by: str) -> None:
    output = tmp_path / "out"
    samples = Path(__file__).parents[3] / "samples" / "*"
    assert run("--input", samples, "--output", output).code == 0
    assert compact(output, "--partition_by", partition_by).code == 0
    days = set()
    last = datetime.max.replace(tzinfo=timezone.utc)
    for path in (output / "job_status").rglob("*.avro"):
        times = _times(path)
        assert times == sorted(times, key=lambda time: time or last)
        folder = path.parent.name
        found = {str(time.date()) if time else "__HIVE_DEFAULT_PARTITION__" for time in times}
        if partition_by == "day":
            assert folder == f"event_day={found.pop()}" and not found
        days.add(folder)
    assert (len(days) > 5) == (partition_by == "day")
    assert job_status("inspect", output).code == 0


def test_files_have_the_wanted_size(tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert add_run(output, "one", 0, 5000).code == 0
    assert compact(output, "--target_file_bytes", "20000", "--codec", "null").code == 0
    sizes = [file["bytes"] for file in manifest_of(output)["files"]]
    assert len(sizes) > 1
    assert job_ids(output) == list(range(5000))


def test_hostile_dates_do_not_make_folders_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MOST_FOLDERS", 3)
    lines = [
        json.dumps({"event": "ats_jobs.updated", "event_date": f"{year:04}-01-01T00:00:00Z",
                    "event_data": {"id": str(year)}})
        for year in [*range(1, 9999, 500), 2025]
    ]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    output = tmp_path / "out"
    assert run("--input", tmp_path / "in.jsonl", "--output", output).code == 0
    assert compact(output).code == 0
    assert len(list((output / "job_status").iterdir())) == 4
    assert len(records_of(output)) == len(lines)


def test_a_committed_run_id_stays_committed(output: Path) -> None:
    assert compact(output).code == 0
    before = visible(output)
    again = add_run(output, "one", 0, 40, bad=2)
    assert again.code == 0
    assert "committed already" in again.err
    assert visible(output) == before
    events = output.parent / "two.jsonl"
    other = run("--input", events, "--output", output, "--run_id", "one", "--write_mode", "append")
    assert_clear_error(other, 2, "one.jsonl", "two.jsonl")
    assert compact(output, "--partition_by", "none").code == 0
    assert "committed already" in add_run(output, "two", 0, 40).err


def test_inputs_and_blocks_are_carried_on(output: Path) -> None:
    path = next((output / "_manifest").iterdir())
    manifest = json.loads(path.read_bytes())
    manifest["blocks"] = ["0" * 32]
    path.write_text(json.dumps(manifest))
    assert compact(output).code == 0
    found = manifest_of(output)
    assert [Path(each["path"]).name for each in found["inputs"]] == ["one.jsonl", "two.jsonl"]
    assert all(each["bytes"] > 0 for each in found["inputs"])
    inputs = ("--input", output.parent / "*.jsonl", "--output", output, "--write_mode", "append")
    said = run(*inputs, "--skip_read")
    assert "skipped 2 files that earlier runs have read" in said.err
    assert committed_blocks(str(output), []) == {"0" * 32}
    assert compact(output, "--partition_by", "none").code == 0
    assert committed_blocks(str(output), []) == {"0" * 32}


def test_a_letter_is_never_replayed_twice(output: Path) -> None:
    replay = ("replay", output, "--output", output)
    assert job_status(*replay, "--run_id", "first").code in (0, 4)
    letters = len(records_of(output, "dead_letter"))
    assert compact(output).code == 0
    assert len(records_of(output, "dead_letter")) == letters
    # Those that the replay wrote again are left.
    again = job_status(*replay, "--run_id", "second")
    assert "skipped 1 file of dead letters" in again.err
    said = json.loads(job_status("dead-letters", output, "--json").out)
    assert sum(group["replayed"] for group in said) == 8
    assert "no dead letters to replay" not in again.err
    assert Counter(each["attempt"] for each in records_of(output, "dead_letter")) == {
        0: 4, 1: 4, 2: 4,
    }  # fmt: skip


def test_equal_dead_letters_become_one(tmp_path: Path) -> None:
    output = tmp_path / "out"
    for run_id in ("one", "two"):
        events = write_events(tmp_path / "in.jsonl", 0, 3, bad=2)
        arguments = ("--input", events, "--output", output, "--write_mode", "append")
        assert run(*arguments, "--run_id", run_id).code == 0
    assert compact(output).code == 0
    assert len(records_of(output, "dead_letter")) == 2
    assert manifest_of(output)["duplicates"] == 5


def test_replayed_letters_may_be_deleted_before_and_after(output: Path) -> None:
    assert job_status("replay", output, "--output", output).code in (0, 4)
    for path in (output / "dead_letter").glob("dead_letter-one-*"):
        path.unlink()
    said = compact(output)
    assert said.code == 0, said.err
    assert "deleted    2 replayed dead letters" in said.err
    assert manifest_of(output)["deleted"] == 2
    (replayed,) = (output / "dead_letter" / "replayed").iterdir()
    replayed.unlink()
    assert compact(output, "--partition_by", "none").code == 0
    assert manifest_of(output)["deleted"] == 4


def test_letters_in_another_directory_stay_there(tmp_path: Path) -> None:
    output, letters = tmp_path / "out", tmp_path / "letters"
    elsewhere = ("--dead_letter_output", str(letters))
    for number in range(2):
        events = write_events(tmp_path / f"{number}.jsonl", number * 10, 3, bad=1)
        arguments = ("--input", events, "--output", output, "--write_mode", "append")
        assert run(*arguments, *elsewhere).code == 0
    assert_clear_error(compact(output), 5, "--dead_letter_output", str(letters))
    assert compact(output, *elsewhere).code == 0
    assert len(visible(letters)) == 1
    assert job_status("inspect", output).code == 0


def test_a_dry_run_changes_nothing(output: Path) -> None:
    before = visible(output)
    said = compact(output, "--dry_run")
    assert said.code == 0
    assert "would compact 2 manifests: 4 files" in said.err and "84 records" in said.err
    assert visible(output) == before


def test_young_runs_are_left_alone(output: Path) -> None:
    before = visible(output)
    said = job_status("compact", output)
    assert said.code == 0
    assert "no run is old enough" in said.err
    assert visible(output) == before


def test_a_compact_output_is_not_compacted_again(output: Path) -> None:
    assert compact(output).code == 0
    before = visible(output)
    said = compact(output)
    assert said.code == 0
    assert "nothing to compact" in said.err
    assert visible(output) == before


def test_a_run_that_is_committing_is_left_out(output: Path) -> None:
    assert compact(output, "--dry_run").code == 0
    (output / "_manifest" / "two.pending.json").write_text("{")
    assert "would compact 1 manifest:" in compact(output, "--dry_run").err


def test_two_compactions_at_once_are_refused(output: Path) -> None:
    before = visible(output)
    with locked(manifest_directory(str(output)), wait=False):
        said = compact(output)
    assert_clear_error(said, 5, "another compaction", str(output))
    assert visible(output) == before


@pytest.mark.parametrize("other", ["overwrite", "compaction"])
def test_a_compaction_whose_files_were_replaced_meanwhile_gives_up(
    output: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    original = commit_module.commit_compaction

    def commit_after_another(*arguments: Any) -> str:
        monkeypatch.setattr("transforms.compact.compact_files.commit_compaction", original)
        if other == "compaction":
            monkeypatch.setattr("pipeline.commands.compact.locked", _free_lock)
            assert compact(output).code == 0
        else:
            events = write_events(output.parent / "new.jsonl", 100, 5)
            arguments_of_run = ("--input", events, "--output", output)
            assert run(*arguments_of_run, "--write_mode", "overwrite").code == 0
        return original(*arguments)

    monkeypatch.setattr("transforms.compact.compact_files.commit_compaction", commit_after_another)
    said = compact(output)
    assert said.code == 5, said.err
    assert "nothing was changed" in said.err
    assert job_ids(output) == ([*range(100, 105)] if other == "overwrite" else [*range(60)])
    assert not (output / "_staging").exists()


class _free_lock:
    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None: ...


def test_of_two_compactions_that_commit_at_once_one_is_undone(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still_there = commit_module._still_there

    def find_both(*arguments: Any) -> Any:
        # The other one commits between this check and the intent, as on an object store.
        found = still_there(*arguments)
        monkeypatch.setattr(commit_module, "_still_there", still_there)
        for name in ("pipeline.commands.compact", "transforms.compact.commit"):
            monkeypatch.setattr(f"{name}.locked", _free_lock)
        monkeypatch.setattr("transforms.write.commit.beginning", nullcontext())
        assert compact(output).code == 0
        return found

    monkeypatch.setattr(commit_module, "_still_there", find_both)
    monkeypatch.setattr("transforms.compact.commit.locked", _free_lock)
    monkeypatch.setattr("transforms.write.commit.beginning", nullcontext())
    assert_clear_error(compact(output), 5, "nothing was changed")
    assert job_ids(output) == [*range(60)]
    assert job_status("inspect", output).code == 0
    assert len(list((output / "_manifest").iterdir())) == 1


def test_letters_that_are_replayed_meanwhile_stop_a_compaction(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = commit_module.commit_compaction

    def commit_after_replay(*arguments: Any) -> str:
        assert job_status("replay", output, "--output", output).code in (0, 4)
        return original(*arguments)

    monkeypatch.setattr("transforms.compact.compact_files.commit_compaction", commit_after_replay)
    said = compact(output)
    assert_clear_error(said, 5, "a replay has read", "nothing was changed")


def test_a_replay_gives_up_if_its_letters_were_compacted_meanwhile(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transforms.write import commit as write_commit
    from transforms.write import write_avro

    def commit_after_compaction(*arguments: Any) -> str:
        assert compact(output).code == 0
        return write_commit.commit(*arguments)

    monkeypatch.setattr(write_avro, "commit", commit_after_compaction)
    said = job_status("replay", output, "--output", output, "--run_id", "late")
    assert said.code == 5, said.err
    assert "a compaction has rewritten" in said.err
    monkeypatch.undo()
    assert job_status("replay", output, "--output", output, "--run_id", "late").code in (0, 4)


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_file_stops_a_compaction(output: Path, damage: str) -> None:
    path = next((output / "job_status").glob("job_status-one-*"))
    data = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(data[:-10])
    elif damage == "changed":
        path.write_bytes(data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    before = visible(output)
    assert_clear_error(compact(output), 3, path.name)
    assert visible(output) == before


def test_there_must_be_an_output(tmp_path: Path) -> None:
    assert_clear_error(compact(tmp_path / "nothing"), 3, "nothing to compact")
    assert visible(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--older_than", "soon"], "--older_than"),
        (["--target_file_bytes", "0"], "--target_file_bytes"),
        (["--partition_bi", "day"], "--partition_by"),
        (["--partition_by", "hour"], "--partition_by"),
    ],
)
def test_wrong_options_are_usage_errors(tmp_path: Path, arguments: list[str], part: str) -> None:
    assert_clear_error(job_status("compact", tmp_path, *arguments), 2, part)


def test_runs_without_events_stay_readable(tmp_path: Path) -> None:
    output = tmp_path / "out"
    (tmp_path / "empty.jsonl").write_text("")
    assert run("--input", tmp_path / "empty.jsonl", "--output", output).code == 0
    assert compact(output).code == 0
    assert len(list((output / "job_status").rglob("*.avro"))) == 1
    assert job_status("inspect", output).code == 0


def test_a_link_to_another_directory_is_refused(output: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("")
    (output / "_staging").symlink_to(outside)
    assert_clear_error(compact(output), 5, "symbolic link")
    assert (outside / "keep").exists()


def test_a_compaction_that_fails_in_its_commit_is_completed_by_the_next_run(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(paths: Any) -> None:
        if any(path.endswith(".avro") for path in paths):
            raise OutputError("cannot delete: Input/output error")
        delete(paths)

    delete = filesystem.delete
    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "delete", refuse)
        assert compact(output).code == 5
    manifests = read_manifests(str(output))
    assert [manifest.written for _, manifest in manifests] == [60]
    assert "completed the run compact-" in add_run(output, "three", 200, 1).err
    assert job_ids(output) == [*range(60), 200]
