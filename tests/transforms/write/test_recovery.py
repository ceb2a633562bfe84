"""A run completes or removes what interrupted runs left, and leaves active runs alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import OutputError
from schemas.manifest import Manifest
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import lines, run_once, settings, stage
from tests.transforms.write.owners import ended_process, write_owner
from transforms.blocks.origin import PendingAcks
from transforms.storage.manifests import Intent, manifest_path, pending_path, read_intent
from transforms.write.commit import commit
from transforms.write.recovery import begun_ack_ids, clear_staging, recover
from transforms.write.settings import CommitSettings, WriteMode

pytestmark = pytest.mark.usefixtures("no_sync")


@pytest.fixture
def dead(tmp_path: Path) -> CommitSettings:
    """A run that was killed after it had staged its files."""
    run = settings(str(tmp_path / "out"), "dead", dead_letter_output=str(tmp_path / "letters"))
    stage(run, lines(0, 4))
    write_owner(run, pid=ended_process())
    return run


def _staging(run: CommitSettings) -> list[Path]:
    return [Path(place.staging(run.run_id)) for place in run.places()]


def _everything(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("write_mode", ["error", "append", "overwrite"])
def test_staging_without_an_intent_is_removed(dead: CommitSettings, write_mode: WriteMode) -> None:
    assert all(any(directory.iterdir()) for directory in _staging(dead))
    assert recover(replace(dead, run_id="next", write_mode=write_mode)) == []
    assert not any(directory.parent.exists() for directory in _staging(dead))


@pytest.mark.parametrize("is_output", [False, True], ids=["letters", "output"])
def test_the_staging_of_another_output_in_the_same_root_is_left(
    dead: CommitSettings, tmp_path: Path, is_output: bool
) -> None:
    letters = dead.output if is_output else dead.dead_letter_output
    other = settings(str(tmp_path / "other"), "dead", dead_letter_output=letters)
    stage(other, lines(0, 4))
    write_owner(other, pid=ended_process())
    theirs = {file for each in _staging(other) for file in _everything(each)}
    recover(replace(dead, run_id="next"))
    assert {*_everything(tmp_path)} == theirs
    recover(replace(other, run_id="next"))
    assert not any(_everything(tmp_path))


def test_a_pending_commit_is_completed_after_its_output_was_moved(
    dead: CommitSettings, tmp_path: Path
) -> None:
    _interrupted(dead, 1)
    moved = str(Path(dead.output).rename(tmp_path / "moved"))
    assert recover(replace(dead, output=moved, run_id="next")) == ["dead"]


@pytest.mark.parametrize("write_mode", ["error", "append", "overwrite"])
def test_a_pending_commit_is_completed(dead: CommitSettings, write_mode: WriteMode) -> None:
    ledger = stage(replace(dead, run_id="pending"), lines(0, 4))
    with failing(1), pytest.raises(Killed):
        commit(replace(dead, run_id="pending"), ledger)
    completed = recover(replace(dead, run_id="next", write_mode=write_mode))
    assert completed == ["pending"]
    manifest = Manifest.from_json(Path(manifest_path(dead.output, "pending")).read_bytes())
    assert (manifest.written, manifest.dead_lettered) == (4, 1)
    assert not Path(pending_path(dead.output, "pending")).exists()


def test_a_completed_commit_is_not_completed_again(dead: CommitSettings) -> None:
    run_once(dead, lines(0, 4))
    before = {path: path.stat().st_mtime_ns for path in _everything(Path(dead.output))}
    assert recover(replace(dead, run_id="next")) == []
    assert {path: path.stat().st_mtime_ns for path in _everything(Path(dead.output))} == before


@pytest.mark.parametrize("suffix", ["", ".0123.part"])
def test_a_truncated_intent_is_removed_with_its_staging(dead: CommitSettings, suffix: str) -> None:
    intent = Path(pending_path(dead.output, "dead") + suffix)
    intent.parent.mkdir()
    intent.write_bytes(b'{"renames":[["_staging/dead/jo')
    recover(replace(dead, run_id="next", write_mode="append"))
    assert list(_everything(Path(dead.output))) == []


def test_a_missing_output_needs_no_recovery(tmp_path: Path) -> None:
    assert recover(settings(str(tmp_path / "none"), "first")) == []
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_not_touched(dead: CommitSettings) -> None:
    output = Path(dead.output)
    others = [output / "job_status" / "theirs.avro", output / "notes.txt", output / "_staging.txt"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("theirs")
    recover(replace(dead, run_id="next", write_mode="overwrite"))
    run_once(replace(dead, run_id="next", write_mode="overwrite"), lines(0, 1))
    assert all(path.read_text() == "theirs" for path in others)


def test_staging_of_an_earlier_attempt_at_the_same_run_is_removed(dead: CommitSettings) -> None:
    part = Path(pending_path(dead.output, "dead") + ".part")
    part.parent.mkdir()
    part.touch()
    recover(replace(dead, write_mode="append"))
    assert list(_everything(Path(dead.output))) == []


def test_clear_staging_removes_the_staging_of_this_run_only(dead: CommitSettings) -> None:
    other = replace(dead, run_id="other")
    stage(other, lines(0, 4))
    clear_staging(dead)
    assert not any(directory.exists() for directory in _staging(dead))
    assert all(directory.exists() for directory in _staging(other))


def test_clear_staging_keeps_the_files_of_a_commit_that_has_begun(dead: CommitSettings) -> None:
    ledger = stage(dead, lines(0, 4))
    with failing(1), pytest.raises(Killed):
        commit(dead, ledger)
    before = set(_everything(Path(dead.output)))
    clear_staging(dead)
    assert set(_everything(Path(dead.output))) == before


def _interrupted(run: CommitSettings, steps: int) -> list[Path]:
    """Interrupts a commit after some steps; returns the staged files that are left."""
    ledger = stage(run, lines(0, 4))
    with failing(steps), pytest.raises(Killed):
        commit(run, ledger)
    assert Path(pending_path(run.output, run.run_id)).exists()
    return [path for directory in _staging(run) for path in directory.glob("*.avro")]


@pytest.mark.parametrize("steps", [1, 2], ids=["no file is visible", "a file is visible"])
def test_a_commit_whose_staged_files_are_gone_is_undone(dead: CommitSettings, steps: int) -> None:
    clear_staging(dead)
    lost = replace(dead, run_id="lost")
    for path in _interrupted(lost, steps):
        path.unlink()
    # The next start is not blocked, and nor is the one after it.
    for _ in range(2):
        assert recover(replace(dead, run_id="next")) == []
    assert list(_everything(Path(dead.output))) == []
    run_once(lost, lines(0, 4))
    assert Path(manifest_path(lost.output, "lost")).exists()


# Acknowledgements

_NAME = "projects/p/subscriptions/s"


def _acknowledged(
    run: CommitSettings, acks: list[PendingAcks], steps: int = 1, *, is_lost: bool = False
) -> list[Any]:
    """Interrupts a commit of messages; returns what the next start acknowledges."""
    clear_staging(run)
    ledger = stage(run, lines(0, 4))
    ledger.pending_acks += acks
    with failing(steps), pytest.raises(Killed):
        commit(run, ledger)
    for file in ledger.files if is_lost else ():
        Path(file.path).unlink()
    found: list[Any] = []
    recover(replace(run, run_id="next"), lambda *ids: found.append(ids))
    assert not Path(pending_path(run.output, run.run_id)).exists()
    return found


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_messages_of_a_completed_commit_are_acknowledged(
    dead: CommitSettings, steps: int
) -> None:
    acks = [PendingAcks(_NAME, ["1", "2"], 0), PendingAcks(_NAME, ["3"], 0)]
    assert _acknowledged(dead, acks, steps) == [(_NAME, ["1", "2", "3"])]


def test_the_messages_of_a_commit_that_is_undone_are_not_acknowledged(
    dead: CommitSettings,
) -> None:
    assert _acknowledged(dead, [PendingAcks(_NAME, ["1"], 0)], is_lost=True) == []


def test_the_messages_of_a_commit_that_has_begun_are_known_until_it_is_completed(
    dead: CommitSettings,
) -> None:
    clear_staging(dead)
    ledger = stage(dead, lines(0, 4))
    ledger.pending_acks.append(PendingAcks(_NAME, ["1"], 0))
    with failing(1), pytest.raises(Killed):
        commit(dead, ledger)
    assert [*begun_ack_ids(dead.output, "dead")] == [(_NAME, ["1"])]
    assert [*begun_ack_ids(dead.output, "other")] == []
    recover(replace(dead, run_id="next"))
    assert [*begun_ack_ids(dead.output, "dead")] == []


def test_an_intent_keeps_a_limited_number_of_acknowledgements(dead: CommitSettings) -> None:
    block = [f"{number:0200}" for number in range(10_000)]
    ((_, kept),) = _acknowledged(dead, [PendingAcks(_NAME, block, 0)] * 9)
    assert kept == block * 4


def test_a_committed_run_whose_files_are_gone_is_not_undone(dead: CommitSettings) -> None:
    clear_staging(dead)
    for path in _interrupted(dead, 1):
        path.unlink()
    Path(manifest_path(dead.output, "dead")).touch()
    with pytest.raises(OutputError, match="cannot be completed"):
        recover(replace(dead, run_id="next"))


def test_staged_files_are_not_removed_while_their_commit_begins(
    dead: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = stage(dead, lines(0, 4))
    is_cleared = threading.Event()
    failures: list[OutputError] = []

    def commit_in_thread() -> None:
        try:
            commit(dead, ledger)
        except OutputError as error:
            failures.append(error)

    def finish_later(*_: object) -> None:
        is_cleared.wait(60)

    thread = threading.Thread(target=commit_in_thread)

    def read_while_a_commit_begins(path: str) -> Intent | None:
        intent = read_intent(path)
        thread.start()
        thread.join(0.3)
        return intent

    monkeypatch.setattr("transforms.write.commit.finish", finish_later)
    monkeypatch.setattr("transforms.write.recovery.read_intent", read_while_a_commit_begins)
    clear_staging(dead)
    is_cleared.set()
    thread.join(60)
    assert len(failures) == 1
    assert not Path(pending_path(dead.output, "dead")).exists()
