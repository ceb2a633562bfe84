"""Kills the real command at many steps: the next command writes the complete output."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kills.command import TWO_PROCESSES, Job, Watcher, left_over, records_in
from tests.kills.gate import Gate

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in /proc"
)

SECONDS_TO_GO = 60


def _staged(output: Path) -> bool:
    return any(output.glob("_staging/*/*.avro"))


def _pending(output: Path) -> bool:
    return any(output.glob("_manifest/*.pending.json"))


def _visible(output: Path) -> bool:
    return any(output.glob("job_status/*.avro"))


def _committed(output: Path) -> bool:
    return any("." not in path.stem for path in output.glob("_manifest/*.json"))


class Phase(NamedTuple):
    """A phase of a run.

    Attributes:
        steps: The run is killed before these: a pattern of operations, and the number of the match.
        holds: Returns whether an output is in this phase.
    """

    steps: tuple[tuple[str, int], ...]
    holds: Callable[[Path], bool]


_STAGE = r"open \S+/_staging/\S+\.avro"
_RENAME = r"os\.rename \S+/_staging/\S+\.avro"
_SYNC_MANIFESTS = r"open \S+/_manifest$"

PHASES: dict[str, Phase] = {
    "starting": Phase(
        (
            (r"open \S+/job_status\.yaml", 1),
            (r"open \S+/1\.jsonl", 1),
            (r"os\.mkdir \S+/_staging/", 1),
            (r"open \S+/owner-", 1),
            (r"tempfile\.mkdtemp \S+/job-status-", 1),
            (_STAGE, 1),
        ),
        lambda output: not _staged(output) and not _pending(output),
    ),
    "staging": Phase(
        (
            (_STAGE, 2),
            (r"os\.scandir \S+/_staging/[\w-]+", 1),
            (r"os\.mkdir \S+/_manifest", 1),
            (r"open \S+\.pending\.json", 1),
            (r"os\.rename \S+\.pending\.json", 1),
        ),
        lambda output: _staged(output) and not _pending(output),
    ),
    "intent": Phase(
        (
            (_SYNC_MANIFESTS, 1),
            (r"os\.mkdir \S+/job_status$", 1),
            (_RENAME, 1),
        ),
        lambda output: _pending(output) and not _visible(output),
    ),
    "renaming": Phase(
        (
            (_RENAME, 2),
            (_RENAME, 4),
            (r"os\.scandir \S+/job_status$", 1),
            (r"open \S+/_manifest/[\w-]+\.json", 1),
            (r"os\.rename \S+/_manifest/[\w-]+\.json", 1),
        ),
        lambda output: _pending(output) and _visible(output) and not _committed(output),
    ),
    "manifest": Phase(
        (
            (_SYNC_MANIFESTS, 2),
            (r"shutil\.rmtree \S+/_staging", 1),
            (r"os\.remove \S+\.pending\.json", 1),
        ),
        lambda output: _pending(output) and _committed(output),
    ),
}
AGAIN = (
    ["--run_id", "daily"],
    ["--write_mode", "overwrite"],
)


def _arguments(events: Path, output: Path, *more: str) -> list[str]:
    command = ["run", "--input", str(events / "*.jsonl"), "--output", str(output)]
    return [*command, "--target_file_bytes", "1", *more]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _assert_done(job: Job, output: Path, expected: Counter[str]) -> None:
    assert job.wait() == 0, job.log.read_text()
    assert records_in(output) == expected
    assert left_over(output) == []
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None


def test_after_a_kill_at_any_step_the_next_run_writes_the_same_records(
    kill: int, events: Path, output: Path, undisturbed: Counter[str], tmp_path: Path
) -> None:
    again, name = divmod(kill, len(PHASES))
    phase = [*PHASES.values()][name]
    two = name < 2 and (again + name) % 2 == 1
    # During a commit even a command without a run id completes the run.
    more = AGAIN[kill % 2] if phase is not PHASES["renaming"] else []
    arguments = _arguments(events, output, *more, *(TWO_PROCESSES if two else ()))
    gate = Gate(str(tmp_path), *phase.steps[again % len(phase.steps)])
    watcher = Watcher(output)
    with watcher.watching():
        job = Job(arguments, tmp_path / "first.log", gate=gate)
        job.wait_until_held()
        assert phase.holds(output)
        job.kill_group()
        assert job.seconds_until_gone(SECONDS_TO_GO) is not None
        job = Job(arguments, tmp_path / "second.log")
        _assert_done(job, output, undisturbed)
    assert watcher.partial == []
    assert len(watcher.files) >= 2
    if more == []:
        assert "completed the run" in (tmp_path / "second.log").read_text()


@pytest.mark.parametrize("victim", ["launcher", "worker"])
def test_a_killed_process_ends_the_other_processes(
    victim: str, events: Path, output: Path, undisturbed: Counter[str], tmp_path: Path
) -> None:
    arguments = _arguments(events, output, "--run_id", "daily")
    # A run does not notice the death of a worker that has finished its work.
    gate = Gate(str(tmp_path), _STAGE, 2)
    watcher = Watcher(output)
    with watcher.watching():
        job = Job([*arguments, *TWO_PROCESSES], tmp_path / "first.log", gate=gate)
        worker = job.wait_until_held()
        assert _staged(output) and worker in job.workers()
        os.kill(job.process.pid if victim == "launcher" else worker, signal.SIGKILL)
        if victim == "worker":
            gate.open()
        assert job.wait() == (-signal.SIGKILL if victim == "launcher" else 1)
        assert job.seconds_until_gone(SECONDS_TO_GO) is not None
        if victim == "worker":
            assert left_over(output) == []
            assert (tmp_path / "first.log").read_text().count("\n") <= 3
        _assert_done(Job(arguments, tmp_path / "second.log"), output, undisturbed)
    assert watcher.partial == []


@pytest.mark.parametrize(("number", "two"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_signal_ends_a_run_and_leaves_nothing(
    number: signal.Signals, two: bool, events: Path, output: Path, tmp_path: Path
) -> None:
    arguments = _arguments(events, output, "--run_id", "daily", *(TWO_PROCESSES if two else ()))
    # The promise is three seconds on an idle machine. This test only checks that the run ends: a
    # held run does not end without a signal.
    gate = Gate(str(tmp_path), _STAGE, 2)
    job = Job(arguments, tmp_path / "log", gate=gate)
    job.wait_until_held()
    assert _staged(output)
    job.process.send_signal(number)
    assert job.wait() == 128 + number
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None
    assert left_over(output) == [] and not _visible(output) and not _committed(output)
    assert "nothing was committed" in (tmp_path / "log").read_text()


def test_a_signal_ends_a_run_before_the_rest_of_its_input(
    events: Path, output: Path, tmp_path: Path
) -> None:
    gate = Gate(str(tmp_path), _STAGE, 2)
    arguments = _arguments(events, output)
    job = Job(arguments, tmp_path / "log", gate=gate, environment={"TMPDIR": str(tmp_path)})
    job.wait_until_held()
    job.process.send_signal(signal.SIGTERM)
    # Before that, the run could end without having seen the signal.
    while job.is_running and not any(tmp_path.glob("job-status-*/stop")):
        time.sleep(0.002)
    gate.open()
    assert job.wait() == 128 + signal.SIGTERM
    assert left_over(output) == [] and not _visible(output) and not _committed(output)
    assert "nothing was committed" in (tmp_path / "log").read_text()


def test_sigterm_before_the_runner_starts_leaves_nothing(
    events: Path, output: Path, tmp_path: Path
) -> None:
    gate = Gate(str(tmp_path), r"tempfile\.mkdtemp \S+/job-status-")
    job = Job(_arguments(events, output), tmp_path / "log", gate=gate)
    job.wait_until_held()
    assert any(output.glob("_staging/*/owner-*"))
    job.process.send_signal(signal.SIGTERM)
    gate.open()
    assert job.wait() == 128 + signal.SIGTERM
    assert left_over(output) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(
            "mounting a small disk is not allowed here; a file size limit is tested instead"
        )
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _assert_refused(job: Job, output: Path, reason: str) -> None:
    assert job.wait() == 5
    log = job.log.read_text()
    assert reason in log and str(output) in log
    assert log.count("\n") <= 3
    assert left_over(output) == [] and not _visible(output) and not _committed(output)


def test_a_full_disk_leaves_nothing(events: Path, small_disk: Path, tmp_path: Path) -> None:
    output = small_disk / "out"
    job = Job(_arguments(events, output), tmp_path / "log")
    _assert_refused(job, output, "No space left on device")


def test_a_file_size_limit_leaves_nothing(events: Path, output: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    arguments = ["run", "--input", str(events / "*.jsonl"), "--output", str(output)]
    job = Job([*arguments, "--codec", "null"], tmp_path / "log", preexec=limit)
    _assert_refused(job, output, "File too large")
