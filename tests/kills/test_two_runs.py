"""Two runs into one output: a run that is alive loses nothing to the start of another."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import fastavro
import pytest

from tests.kills.command import TWO_PROCESSES, Job, left_over
from tests.kills.gate import Gate
from tests.pipeline.command import Said, run, write_events
from tests.transforms.write.owners import ELSEWHERE, write_owner
from transforms.write.settings import CommitSettings

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in /proc"
)

SECONDS_TO_GO = 60

STAGE = r"open \S+/_staging/\S+\.avro"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _ids(output: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in (output / "job_status").glob("*.avro"):
        with path.open("rb") as file:
            found.update(row["job_id"] for row in fastavro.reader(file) if isinstance(row, dict))
    return found


def _numbers(first: int, count: int) -> Counter[str]:
    return Counter(map(str, range(first, first + count)))


def _slow(output: Path, *more: str) -> tuple[Job, Gate]:
    """Starts a run over the events 0 to 99 and a dead letter; holds it before its second file."""
    directory = output.parent
    events = write_events(directory / "slow.jsonl", 0, 100, bad=1)
    gate = Gate(str(directory), STAGE, 2)
    arguments = ["run", "--input", str(events), "--output", str(output), *more]
    job = Job(arguments, directory / "slow.log", gate=gate)
    job.wait_until_held()
    assert any(output.glob("_staging/*/*.avro"))
    return job, gate


def _other(output: Path, *more: str) -> Said:
    events = write_events(output.parent / "other.jsonl", 100, 10)
    return run("--input", events, "--output", output, *more)


def _end(job: Job, gate: Gate) -> tuple[int, str]:
    gate.open()
    return job.wait(), job.log.read_text()


@pytest.mark.parametrize("more", [(), TWO_PROCESSES], ids=["one", "two_processes"])
def test_both_of_two_runs_that_append_are_committed(output: Path, more: tuple[str, ...]) -> None:
    job, gate = _slow(output, "--write_mode", "append", *more)
    said = _other(output, "--write_mode", "append")
    assert said.code == 0, said.err
    code, log = _end(job, gate)
    assert code == 0, log
    assert _ids(output) == _numbers(0, 110)
    assert left_over(output) == []


def test_the_second_of_two_runs_to_commit_is_refused_in_the_mode_error(output: Path) -> None:
    job, gate = _slow(output)
    said = _other(output)
    assert said.code == 0, said.err
    assert any(output.glob("_staging/*/*.avro"))
    code, log = _end(job, gate)
    assert code == 5 and "another run was committed" in log, log
    assert _ids(output) == _numbers(100, 10)
    assert left_over(output) == []


def test_the_last_of_two_runs_to_commit_replaces_the_other_in_the_mode_overwrite(
    output: Path,
) -> None:
    job, gate = _slow(output, "--write_mode", "overwrite")
    said = _other(output, "--write_mode", "overwrite")
    assert said.code == 0, said.err
    assert _ids(output) == _numbers(100, 10)
    code, log = _end(job, gate)
    assert code == 0, log
    assert _ids(output) == _numbers(0, 100)
    assert left_over(output) == []


def test_a_run_id_that_is_active_is_refused(output: Path) -> None:
    job, gate = _slow(output, "--run_id", "daily")
    said = run(
        *("--input", output.parent / "slow.jsonl", "--output", output, "--run_id", "daily"),
    )
    assert said.code == 5
    assert f"the run daily is active already, see {output}/_staging/daily/owner-" in said.err
    code, log = _end(job, gate)
    assert code == 0, log
    assert _ids(output) == _numbers(0, 100)
    assert left_over(output) == []


@pytest.mark.parametrize("write_mode", ["error", "append", "overwrite"])
def test_the_staging_of_a_killed_run_is_removed_by_the_next_start(
    output: Path, write_mode: str
) -> None:
    job, _ = _slow(output, "--write_mode", "append", *TWO_PROCESSES)
    job.kill_group()
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None
    assert left_over(output) != []
    said = _other(output, "--write_mode", write_mode)
    assert said.code == 0, said.err
    assert _ids(output) == _numbers(100, 10)
    assert left_over(output) == []


def test_a_stopped_process_is_alive(output: Path) -> None:
    job, gate = _slow(output, "--write_mode", "append")
    job.process.send_signal(signal.SIGSTOP)
    assert _other(output, "--write_mode", "append").code == 0
    job.process.send_signal(signal.SIGCONT)
    code, log = _end(job, gate)
    assert code == 0, log
    assert _ids(output) == _numbers(0, 110)


def test_the_staging_of_another_host_stays_while_its_owner_file_is_renewed(output: Path) -> None:
    far = CommitSettings(str(output), "far", "")
    staged = output / "_staging" / "far" / "a.avro"
    (owner,) = set(write_owner(far, machine=ELSEWHERE, silent_seconds=200))
    staged.touch()
    assert _other(output, "--write_mode", "append").code == 0
    assert staged.exists()
    owner.unlink()
    write_owner(far, machine=ELSEWHERE, silent_seconds=320)
    assert _other(output, "--write_mode", "append").code == 0
    assert not staged.exists()


def test_a_run_renews_its_owner_file(output: Path) -> None:
    job, gate = _slow(output)
    (owner,) = output.glob("_staging/*/owner-*")
    first = owner.stat().st_mtime_ns
    end = time.monotonic() + 60
    while owner.stat().st_mtime_ns == first and time.monotonic() < end:
        time.sleep(0.2)
    assert owner.stat().st_mtime_ns > first
    assert _end(job, gate)[0] == 0
