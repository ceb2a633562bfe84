"""Kills compactions: readers see all events at any time, and the next compaction completes it."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import fastavro
import pytest

from tests.kills.command import TWO_PROCESSES, Job, left_over, records_in
from tests.kills.gate import Gate
from tests.pipeline.command import job_status, run, write_events
from transforms.storage.manifests import read_manifests

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in /proc"
)

STEPS = (
    (r"os\.rename \S+/_staging/\S+\.avro", 1),
    (r"os\.remove \S+/job_status/job_status-run\S+\.avro", 2),
    (r"open \S+/_staging/\S+\.segments", 1),
    (r"os\.rename \S+/_manifest/compact-[\w-]+\.json", 1),
    (r"open \S+/_staging/\S+\.avro", 2),
    (r"os\.rename \S+/_staging/\S+\.avro", 3),
    (r"os\.remove \S+/_manifest/run\d\.json", 3),
    (r"os\.rename \S+\.pending\.json", 1),
    (r"shutil\.rmtree \S+/_staging", 1),
    (r"os\.remove \S+\.pending\.json", 1),
    (r"open \S+/_staging/\S+\.segments", 3),
)
"""A compaction is killed before one of these operations, the n-th that matches."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of six runs; each shares half of its events with the next one."""
    place = tmp_path_factory.mktemp("runs")
    for number in range(6):
        events = write_events(place / f"{number}.jsonl", number * 200, 400, bad=1)
        with events.open("a") as file:
            file.write(f'{{"event":"ats_jobs.deleted","event_data":{{"id":"{number}"}}}}\n')
        arguments = ("--input", events, "--output", place / "out", "--write_mode", "append")
        assert run(*arguments, "--run_id", f"run{number}").code == 0
    return place / "out"


def _listed(output: Path) -> Counter[str]:
    """Returns the identities in the files that the manifests list."""
    return _identities(
        output / file.path
        for _, manifest in read_manifests(str(output))
        for file in manifest.files
        if file.output == "job_status"
    )


def _identities(paths: Iterable[Path]) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in paths:
        with path.open("rb") as file:
            found.update(row["event_id"] for row in fastavro.reader(file) if isinstance(row, dict))
    return found


class Undisturbed(NamedTuple):
    """A compaction that is not killed: its seconds and all records after it."""

    seconds: float
    records: Counter[str]


@pytest.fixture(scope="session")
def undisturbed_compaction(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    place = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(runs, place / "out")
    started = time.monotonic()
    job = Job(_arguments(place / "out"), place / "log", slowed=True)
    assert job.wait() == 0, job.log.read_text()
    return Undisturbed(time.monotonic() - started, records_in(place / "out"))


def _arguments(output: Path) -> list[str]:
    return ["compact", str(output), "--older_than", "0s"]


def _kill(job: Job, output: Path, runs: Path) -> None:
    """Kills a compaction; asserts that readers see the events before it or those after it."""
    before = _listed(runs)
    after = Counter(before.keys())
    assert before != after
    job.kill_group()
    assert job.seconds_until_gone(60) is not None
    assert _listed(output) in (before, after)
    assert _identities((output / "job_status").rglob("*.avro")).keys() == after.keys()


def _complete(output: Path, expected: Counter[str]) -> None:
    """Compacts again; asserts that the output is that of a compaction that was not killed."""
    said = job_status(*_arguments(output))
    assert said.code == 0, said.err
    assert records_in(output) == expected
    assert max(_listed(output).values()) == 1
    assert left_over(output) == []
    assert job_status("inspect", output).code == 0


def test_after_a_kill_at_any_step_the_next_compaction_ends_it(
    kill: int, runs: Path, undisturbed_compaction: Undisturbed, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(runs, output)
    gate = Gate(str(tmp_path), *STEPS[kill % len(STEPS)])
    more = TWO_PROCESSES if kill >= len(STEPS) else ()
    job = Job([*_arguments(output), *more], tmp_path / "log", gate=gate)
    job.wait_until_held()
    _kill(job, output, runs)
    _complete(output, undisturbed_compaction.records)


def test_after_kills_at_random_moments_the_next_compaction_ends_it(
    kill: int, runs: Path, undisturbed_compaction: Undisturbed, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(runs, output)
    choose = random.Random(kill)
    more = TWO_PROCESSES if kill % 3 == 2 else ()
    for number in range(2):
        job = Job([*_arguments(output), *more], tmp_path / f"{number}.log", slowed=True)
        time.sleep(choose.uniform(0, undisturbed_compaction.seconds))
        _kill(job, output, runs)
    _complete(output, undisturbed_compaction.records)


def test_readers_of_manifests_see_the_files_before_or_after_a_compaction(
    runs: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(runs, output)
    before = _listed(output)
    job = Job(["compact", str(output), "--older_than", "0s"], tmp_path / "log", slowed=True)
    seen = []
    while job.is_running:
        seen.append(Counter(_paths(output)))
    assert job.wait() == 0, job.log.read_text()
    assert _listed(output) == Counter(before.keys())
    first, last = seen[0], Counter(_paths(output))
    assert last != first
    assert all(each in (first, last) for each in seen)


def _paths(output: Path) -> list[str]:
    return [f.path for _, manifest in read_manifests(str(output)) for f in manifest.files]
