"""Kills the command at random moments on servers of S3 and GCS: the next command completes it."""

from __future__ import annotations

import io
import json
import random
import time
from collections import Counter
from pathlib import Path

import fastavro
import pytest

from tests.kills.command import Job
from tests.pipeline.command import job_status, run, write_events
from tests.storage_servers.conftest import Bucket

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in /proc"
)

SHORT = 3
SECONDS_TO_GO = 60


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """The number of kills."""
    return int(request.config.getoption("--kills", None) or SHORT)


@pytest.fixture
def runs(bucket: Bucket, tmp_path: Path) -> list[str]:
    """The arguments of a run over 60 events and a dead letter in the bucket, without its output."""
    for number in range(3):
        events = write_events(tmp_path / "in.jsonl", number * 20, 20, bad=number % 2)
        bucket.put(f"in/{number}.jsonl", events.read_bytes())
    return ["run", "--input", f"{bucket.url}/in/*", "--target_file_bytes", "1", *bucket.options]


@pytest.fixture
def three_runs(bucket: Bucket, tmp_path: Path) -> str:
    """The prefix of an output of three runs. Each shares half of its events with the next one."""
    for number in range(3):
        events = write_events(tmp_path / f"{number}.jsonl", number * 10, 20, bad=1)
        arguments = ("--input", events, "--output", f"{bucket.url}/runs", "--write_mode", "append")
        said = run(*arguments, "--run_id", f"run{number}", *bucket.options)
        assert said.code == 0, said.err
    return "runs/"


def _records(bucket: Bucket, output: str) -> Counter[str]:
    """Returns all records of both outputs, and how often each occurs."""
    return Counter(
        json.dumps(record, sort_keys=True, default=repr)
        for key, data in bucket.objects(f"{output}/").items()
        if key.endswith(".avro")
        for record in fastavro.reader(io.BytesIO(data))
    )


def _left_over(bucket: Bucket, output: str) -> list[str]:
    return [
        key
        for key in bucket.objects(f"{output}/")
        if "/_staging/" in key or key.endswith((".pending.json", ".part"))
    ]


def _start(arguments: list[str], log: Path) -> Job:
    return Job(arguments, log, slowed=True)


def _seconds_of(arguments: list[str], log: Path) -> float:
    started = time.monotonic()
    job = _start(arguments, log)
    assert job.wait() == 0, log.read_text()
    return time.monotonic() - started


def _kill(arguments: list[str], log: Path, seconds: float) -> None:
    job = _start(arguments, log)
    time.sleep(seconds)
    job.kill_group()
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None


def test_after_a_kill_at_a_random_moment_the_next_run_writes_the_same_records(
    bucket: Bucket, runs: list[str], kills: int, tmp_path: Path
) -> None:
    log, choose = tmp_path / "log", random.Random(1)
    seconds = _seconds_of([*runs, "--output", f"{bucket.url}/whole"], log)
    expected = _records(bucket, "whole")
    assert expected.total() == 61
    for number in range(kills):
        arguments = [*runs, "--output", f"{bucket.url}/out{number}", "--run_id", "daily"]
        _kill(arguments, log, choose.uniform(0, seconds))
        said = job_status(*arguments)
        assert said.code == 0, said.err
        assert _records(bucket, f"out{number}") == expected
        assert _left_over(bucket, f"out{number}") == []


def test_after_a_kill_at_a_random_moment_the_next_compaction_ends_it(
    bucket: Bucket, three_runs: str, kills: int, tmp_path: Path
) -> None:
    log, choose = tmp_path / "log", random.Random(2)

    def copied(output: str) -> list[str]:
        for key, data in bucket.objects(three_runs).items():
            bucket.put(f"{output}/{key.removeprefix(three_runs)}", data)
        return ["compact", f"{bucket.url}/{output}", "--older_than", "0s", *bucket.options]

    seconds = _seconds_of(copied("whole"), log)
    expected = _records(bucket, "whole")
    assert expected.total() == 43
    for number in range(kills):
        arguments = copied(f"out{number}")
        _kill(arguments, log, choose.uniform(0, seconds))
        said = job_status(*arguments)
        assert said.code == 0, said.err
        assert _records(bucket, f"out{number}") == expected
        assert _left_over(bucket, f"out{number}") == []
