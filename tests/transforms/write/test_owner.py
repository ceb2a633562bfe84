"""The staged files of a live run stay; those of a dead one are removed by the next start."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ForeignPathError, OutputError
from tests.pubsub import wait_for
from tests.transforms.runs import lines, settings, stage
from tests.transforms.write.owners import ELSEWHERE, ended_process, write_owner
from transforms.storage.manifests import pending_path
from transforms.write import owner
from transforms.write.owner import OwnedStaging
from transforms.write.recovery import recover
from transforms.write.settings import CommitSettings, WriteMode

pytestmark = [
    pytest.mark.usefixtures("no_sync"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

DAY = 24 * 3600

every_mode = pytest.mark.parametrize("write_mode", ["error", "append", "overwrite"])


@pytest.fixture
def run(tmp_path: Path) -> CommitSettings:
    """A run that has staged files in both of its outputs."""
    made = settings(str(tmp_path / "out"), "daily", dead_letter_output=str(tmp_path / "letters"))
    stage(made, lines(0, 4))
    return made


def _staged(run: CommitSettings) -> list[Path]:
    return [path for place in run.places() for path in Path(place.staging(run.run_id)).glob("*")]


def _after_another_start(run: CommitSettings, write_mode: WriteMode = "append") -> list[Path]:
    assert recover(replace(run, run_id="next", write_mode=write_mode)) == []
    return _staged(run)


@every_mode
def test_the_staging_of_a_live_process_stays(run: CommitSettings, write_mode: WriteMode) -> None:
    with OwnedStaging(run):
        before = _staged(run)
        assert [path.suffix for path in before].count(".avro") == 3
        assert _after_another_start(run, write_mode) == before


@every_mode
def test_the_staging_of_a_dead_process_is_removed_at_once(
    run: CommitSettings, write_mode: WriteMode
) -> None:
    write_owner(run, pid=ended_process())
    assert _after_another_start(run, write_mode) == []
    assert not Path(run.output, "_staging").exists()


def test_a_process_that_nobody_has_collected_is_dead(run: CommitSettings) -> None:
    process = subprocess.Popen(["sleep", "60"])
    write_owner(run, pid=process.pid)
    assert _after_another_start(run) != []
    process.kill()
    stat = Path(f"/proc/{process.pid}/stat")
    assert wait_for(lambda: ") Z " in stat.read_text(), 60)
    assert _after_another_start(run) == []
    process.wait()


def test_a_process_that_has_the_id_of_a_dead_one_is_another(run: CommitSettings) -> None:
    write_owner(run, start=1)
    assert _after_another_start(run) == []


@every_mode
def test_a_process_on_another_machine_is_alive_while_it_renews_its_file(
    run: CommitSettings, write_mode: WriteMode
) -> None:
    write_owner(run, machine=ELSEWHERE, pid=ended_process(), silent_seconds=290)
    before = _staged(run)
    assert _after_another_start(run, write_mode) == before


@every_mode
def test_a_process_on_another_machine_is_dead_after_five_minutes(
    run: CommitSettings, write_mode: WriteMode
) -> None:
    write_owner(run, machine=ELSEWHERE, silent_seconds=310)
    assert _after_another_start(run, write_mode) == []


def test_one_of_two_starts_of_a_run_at_the_same_time_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = settings(str(tmp_path / "out"), "daily")
    both_have_written, both_have_looked = threading.Barrier(2), threading.Barrier(2)
    staged, waited = OwnedStaging.staged, set[OwnedStaging]()

    def look_and_wait(self: OwnedStaging, *arguments: Any) -> owner.Staged:
        if self in waited:
            return staged(self, *arguments)
        waited.add(self)
        both_have_written.wait(60)
        found = staged(self, *arguments)
        both_have_looked.wait(60)
        return found

    def enter(start: OwnedStaging) -> bool:
        try:
            start.__enter__()
        except OutputError as error:
            assert "the run daily is active already" in error.message
            return False
        return True

    monkeypatch.setattr(OwnedStaging, "staged", look_and_wait)
    with subprocess.Popen(["sleep", "60"]) as process, ThreadPoolExecutor(2) as threads:
        starts = [OwnedStaging(run)]
        monkeypatch.setattr(os, "getpid", lambda: process.pid)
        starts.append(OwnedStaging(run))
        went_on = [*threads.map(enter, starts)]
        process.kill()
    assert sorted(went_on) == [False, True]
    assert len({*_staged(run)}) == 1
    starts[went_on.index(True)].release()


@pytest.mark.parametrize("seconds", [-60, 60, DAY])
def test_the_clock_of_the_observer_plays_no_part(
    run: CommitSettings, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_owner(run, machine=ELSEWHERE, silent_seconds=0)
    dead = replace(run, run_id="dead")
    stage(dead, lines(0, 4))
    write_owner(dead, machine=ELSEWHERE, silent_seconds=310)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    assert _after_another_start(run) != []
    assert _staged(dead) == []


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_machine_may_set_the_times_of_its_files_by_a_clock_that_differs_by_a_minute(
    run: CommitSettings, seconds: float
) -> None:
    write_owner(run, machine=ELSEWHERE, silent_seconds=owner._RENEW_SECONDS + seconds)
    assert _after_another_start(run) != []
    write_owner(run, machine=ELSEWHERE, silent_seconds=310 + 60 + seconds)
    assert _after_another_start(run) == []


@pytest.mark.parametrize("is_alive", [True, False])
def test_the_panes_of_a_stream_belong_to_its_owner(run: CommitSettings, is_alive: bool) -> None:
    mark = "0123abcd"
    names = [mark, f"20261129T000000Z-0-0-{mark}-0123456789ab", f"20261129T000000Z-{mark}-0001"]
    panes = [replace(run, run_id=name) for name in names]
    for pane in panes:
        stage(pane, lines(0, 1))
    stream = replace(run, run_id=f"20261129T000000Z-{mark}")
    write_owner(stream, pid=os.getpid() if is_alive else ended_process(), mark=mark)
    for pane in panes:
        assert (_after_another_start(pane) != []) == is_alive
    assert (_staged(stream) != []) == is_alive
    # The files of another run, which has no owner, are as old as a live one's could be.
    assert _staged(run) != []


@every_mode
def test_staging_without_an_owner_stays_for_a_day(
    run: CommitSettings, write_mode: WriteMode
) -> None:
    for age, is_kept in ((DAY - 600, True), (DAY + 600, False)):
        then = time.time() - age
        for path in _staged(run):
            os.utime(path, (then, then))
        assert (_after_another_start(run, write_mode) != []) == is_kept


@pytest.mark.parametrize(("pid", "is_kept"), [(os.getpid, True), (ended_process, False)])
def test_an_incomplete_intent_is_removed_if_its_run_is_dead(
    run: CommitSettings, pid: Callable[[], int], is_kept: bool
) -> None:
    write_owner(run, pid=pid())
    part = Path(f"{pending_path(run.output, run.run_id)}.0123.part")
    part.parent.mkdir()
    part.touch()
    _after_another_start(run)
    assert part.exists() == is_kept


@pytest.mark.parametrize(("pid", "is_kept"), [(os.getpid, True), (ended_process, False)])
def test_an_incomplete_intent_of_a_pane_that_staged_nothing_belongs_to_the_stream(
    run: CommitSettings, pid: Callable[[], int], is_kept: bool
) -> None:
    stream = replace(run, run_id="20261129T000000Z-0123abcd")
    write_owner(stream, pid=pid(), mark="0123abcd")
    pane = "20261129T000000Z-0-0-0123abcd-0123456789ab"
    part = Path(f"{pending_path(run.output, pane)}.0123.part")
    part.parent.mkdir()
    part.touch()
    os.utime(part, (0, 0))
    _after_another_start(run)
    assert part.exists() == is_kept


def test_a_run_that_is_active_is_not_started_again(run: CommitSettings) -> None:
    with OwnedStaging(run):
        (path, _) = write_owner(run, machine=ELSEWHERE)
        with pytest.raises(OutputError, match="the run daily is active already") as caught:
            OwnedStaging(replace(run, write_mode="append")).__enter__()
        assert str(path) in caught.value.message


def test_a_second_start_does_not_remove_the_owner_files_of_the_first(run: CommitSettings) -> None:
    theirs = write_owner(run, machine=ELSEWHERE)
    with pytest.raises(OutputError), OwnedStaging(run):
        pass
    assert {path for path in _staged(run) if path.name.startswith("owner-")} == set(theirs)


def test_a_run_that_goes_on_without_its_command_has_no_owner(run: CommitSettings) -> None:
    before = _staged(run)
    with OwnedStaging(run) as staging:
        assert _staged(run) != before
        staging.release()
        assert _staged(run) == before


def test_an_owner_leaves_nothing(tmp_path: Path) -> None:
    tmp_path.joinpath("out").mkdir()
    with OwnedStaging(settings(str(tmp_path / "out"), "daily")):
        assert [*tmp_path.joinpath("out").rglob("owner-*")]
    assert [*tmp_path.joinpath("out").iterdir()] == []


def test_an_owner_renews_its_files_and_does_not_create_them_again(
    run: CommitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_RENEW_SECONDS", 0.01)
    with OwnedStaging(run):
        first, second = (path for path in _staged(run) if path.name.startswith("owner-"))
        first.unlink()
        os.utime(second, (0, 0))
        assert wait_for(lambda: second.stat().st_mtime > 0, 60)
        os.utime(second, (0, 0))
        assert wait_for(lambda: second.stat().st_mtime > 0, 60)
        assert not first.exists()


def test_an_owner_file_is_not_written_through_a_link(run: CommitSettings, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    other = replace(run, run_id="other")
    Path(other.places()[0].staging("other")).symlink_to(tmp_path / "victim")
    with pytest.raises(ForeignPathError), OwnedStaging(other):
        pass
    assert [*(tmp_path / "victim").iterdir()] == []


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = settings(f"{tmp_path}/file/out", "daily")
    with pytest.raises(OutputError, match=f"cannot write to {tmp_path}/file/out: Not a directory"):
        OwnedStaging(run).__enter__()
