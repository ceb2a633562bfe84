"""Ctrl-C and SIGTERM to the whole process group: at most two lines of output, no leftovers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kills.command import TWO_PROCESSES, Job, left_over, records_in
from tests.kills.conftest import EVENTS
from tests.kills.gate import Gate
from tests.pubsub import wait_for

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the state of processes from /proc"
)

SECONDS_TO_REACH = 120
SECONDS_TO_GO = 60
COPIES = 40


def _handles_sigterm(job: Job, _: Path) -> bool:
    status = Path(f"/proc/{job.process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def _has_loaded(library: str) -> Callable[[Job, Path], bool]:
    return lambda job, _: library in Path(f"/proc/{job.process.pid}/maps").read_text()


def _staged(count: int) -> Callable[[Job, Path], bool]:
    return lambda _, output: len([*output.glob("_staging/*/*.avro")]) >= count


MOMENTS: dict[str, Callable[[Job, Path], bool]] = {
    "first statement": _handles_sigterm,
    "grpc is loaded": _has_loaded("cygrpc"),
    "arrow is loaded": _has_loaded("libarrow"),
    "second process": lambda job, _: len(job.processes()) > 1,
    "output is owned": lambda _, output: output.exists(),
    "first worker": lambda job, _: len(job.workers()) > 0,
    "second worker": lambda job, _: len(job.workers()) > 1,
    "first staged file": _staged(1),
    "fifth staged file": _staged(5),
    "twentieth staged file": _staged(20),
}


def _arguments(events: Path, output: Path) -> list[str]:
    command = ["run", "--input", str(events / "*.jsonl"), "--output", str(output)]
    return [*command, "--run_id", "daily", "--target_file_bytes", "1", *TWO_PROCESSES]


def _before_the_commit(tmp_path: Path) -> Gate:
    """Holds a run that has staged everything, so that it does not end before a signal."""
    return Gate(str(tmp_path), r"open \S+\.pending\.json")


def _signal_group(job: Job, output: Path, moment: Callable[[Job, Path], bool], number: int) -> None:
    """Sends a signal to the group, as a terminal does, at a moment of the run."""

    def is_reached() -> bool:
        assert job.is_running, job.log.read_text()
        return moment(job, output)

    assert wait_for(is_reached, SECONDS_TO_REACH, poll_seconds=0.001), job.log.read_text()
    os.killpg(job.process.pid, number)


def _assert_stopped(job: Job, number: int) -> None:
    assert job.wait() == 128 + number, job.log.read_text()
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None
    log = job.log.read_text()
    assert log.count("\n") <= 2 and "Traceback" not in log, log


@pytest.fixture
def many(events: Path, tmp_path: Path) -> Path:
    """Enough copies of the input for twenty staged files."""
    directory = tmp_path / "many"
    directory.mkdir()
    for copy in range(COPIES):
        os.link(events / "1.jsonl", directory / f"{copy}.jsonl")
    return directory


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_to_the_group_stops_a_run_of_two_workers(
    moment: str, number: signal.Signals, many: Path, tmp_path: Path
) -> None:
    output, gate = tmp_path / "new" / "out", _before_the_commit(tmp_path)
    job = Job(_arguments(many, output), tmp_path / "log", gate=gate, cold_start=True)
    _signal_group(job, output, MOMENTS[moment], number)
    _assert_stopped(job, number)
    assert not output.parent.exists()


def test_an_existing_output_directory_is_kept(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    gate = _before_the_commit(tmp_path)
    job = Job(_arguments(many, output), tmp_path / "log", gate=gate, cold_start=True)
    _signal_group(job, output, MOMENTS["first staged file"], signal.SIGTERM)
    _assert_stopped(job, signal.SIGTERM)
    assert [*output.iterdir()] == []


def test_the_next_run_completes_a_commit_that_a_signal_interrupted(
    many: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    arguments = _arguments(many, output)
    gate = Gate(str(tmp_path), r"os\.rename \S+/_staging/\S+\.avro", 2)
    job = Job(arguments, tmp_path / "log", gate=gate)
    job.wait_until_held()
    os.killpg(job.process.pid, signal.SIGINT)
    _assert_stopped(job, signal.SIGINT)
    assert "the next run into this output completes the commit" in job.log.read_text()
    assert Job(arguments, tmp_path / "second.log").wait() == 0
    assert records_in(output).total() == COPIES * EVENTS
    assert left_over(output) == []
