"""A standalone Flink cluster: a batch of one large file, and a stream that loses its TaskManagers,
its workers and its job.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flink.cluster import Cluster
from tests.kills.command import Job, Watcher, records_in
from tests.kills.test_stream_kills import event_ids, event_ids_of, publishing
from tests.pipeline.command import job_status
from tests.pubsub import Server, wait_for
from tests.streaming.command import Place
from tests.streaming.traffic import envelopes
from transforms.read.limits import LEAST_RANGE_BYTES

pytestmark = [pytest.mark.needs("flink", "java", "pubsub_emulator"), pytest.mark.timeout(3600)]

DOCS = Path(__file__).resolve().parents[2] / "docs"

SECONDS = 300
"""The longest wait for anything; a busy machine takes minutes to restore a job."""

WATERMARK_SECONDS = 15
"""The most that a watermark may be behind the clock."""

LEASE = ("--lease_seconds", "120")
"""Longer than a restore. The emulator drops messages after 10 minutes, which is the default."""

STREAM = (
    *("--streaming", "--window_seconds", "2", "--parallelism=1", "--checkpointing_interval=5000"),
    *("--externalized_checkpoints_enabled", "--retain_externalized_checkpoints_on_cancellation"),
)


@pytest.fixture(scope="module")
def cluster(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two TaskManagers, whose workers use the server of the tests."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), {"PUBSUB_EMULATOR_HOST": server.address})
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """The number of kills and restores: one, or that of --kills."""
    return int(request.config.getoption("--kills", None) or 1)


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    """A new subscription and a new output."""
    return Place(server, server.create(), tmp_path)


def wait_for_commits(place: Place, count: int, job: Job) -> None:
    """Waits for a number of commits in addition to those that there are."""
    before = len(place.manifests())

    def is_committed() -> bool:
        assert job.is_running, place.log()
        return len(place.manifests()) >= before + count

    assert wait_for(is_committed, SECONDS, 0.2), place.log()


def stop(command: Job) -> None:
    """Stops a command with SIGTERM, and checks that it cancels its job and leaves nothing."""
    command.process.send_signal(signal.SIGTERM)
    assert command.wait(60) == 128 + signal.SIGTERM
    log = command.log.read_text()
    assert re.search(r"stopped; job \S+ was cancelled", log), log
    assert "Traceback" not in log


def wait_until_all_are_written(place: Place, sent: dict[str, bytes], seconds: float) -> None:
    """Waits until every message is in the outputs."""
    assert wait_for(lambda: place.message_ids() >= set(sent), seconds, 1), (
        f"{len(set(sent) - place.message_ids())} of {len(sent)} messages are missing"
    )


def check_output(place: Place, sent: dict[str, bytes], watcher: Watcher, directory: Path) -> int:
    """Checks that nothing is lost or partial; returns the number of duplicate rows."""
    rows = Counter(row["message_id"] for row in place.rows())
    assert set(rows) == set(sent)
    assert event_ids(place.output) == event_ids_of(sent, directory)
    assert watcher.partial == []
    inspected = job_status("inspect", str(place.output))
    assert inspected.code == 0, inspected.out + inspected.err
    duplicates = rows.total() - len(rows)
    print(
        f"{len(sent):,} messages, 0 lost, {duplicates:,} of {rows.total():,} rows are duplicates, "
        f"{len(place.manifests()):,} commits"
    )
    return duplicates


def test_a_stream_survives_the_kill_of_its_task_manager(
    cluster: Cluster, place: Place, kills: int, tmp_path: Path
) -> None:
    watcher = Watcher(place.output)
    with watcher.watching(), publishing(place) as sent:
        command = place.start([*STREAM, *LEASE, *cluster.arguments])
        wait_for_commits(place, 2, command)
        job = cluster.running_job()
        for number in range(kills):
            time.sleep(random.Random(number).uniform(0, 6))
            (name,) = cluster.task_managers_of(job)
            cluster.kill(name)
            cluster.start_task_manager(f"{name}-{number}")
            wait_for_commits(place, 2, command)
    wait_until_all_are_written(place, sent, SECONDS)
    stop(command)
    assert check_output(place, sent, watcher, tmp_path / "file") == 0
    # The command does not know the progress of workers on other machines.
    assert "0 events" not in place.log()


def test_a_stream_survives_the_loss_of_its_workers(
    cluster: Cluster, place: Place, tmp_path: Path
) -> None:
    watcher = Watcher(place.output)
    with watcher.watching(), publishing(place) as sent:
        command = place.start([*STREAM, *LEASE, *cluster.arguments])
        wait_for_commits(place, 2, command)
        cluster.kill("pool")
        cluster.start_pool()
        wait_for_commits(place, 2, command)
    wait_until_all_are_written(place, sent, SECONDS)
    stop(command)
    assert check_output(place, sent, watcher, tmp_path / "file") == 0


def test_all_subtasks_read_one_file(cluster: Cluster, tmp_path: Path) -> None:
    lines = [line.ljust(20_000) for line in envelopes(4000, 1)]
    size = sum(map(len, lines)) + len(lines)
    assert size > 4 * LEAST_RANGE_BYTES
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    output = tmp_path / "out"
    paths = ("--input", str(tmp_path / "events.jsonl"), "--output", str(output))
    command = Job(["run", *paths, *cluster.arguments, "--parallelism=4"], tmp_path / "log")
    assert command.wait(SECONDS) == 0, command.log.read_text()
    # Each subtask with work writes a file of its own.
    assert len(list(output.glob("job_status/*.avro"))) == 4
    assert records_in(output).total() == len(lines)


def recipe(start: str, replaced: dict[str, str]) -> str:
    """Returns a command of the upgrade recipe in docs, with the names of the test."""
    text = (DOCS / "deploy-flink.md").read_text("utf-8")
    block = text.partition("**To upgrade a stream**")[2].partition("```sh\n")[2].partition("```")[0]
    lines = block.replace("\\\n", " ").splitlines()
    (line,) = [line for line in lines if line.startswith(start)]
    for name, value in replaced.items():
        assert name in line, name
        line = line.replace(name, value)
    return line


def ask(command: str) -> dict[str, Any]:
    """Runs a command of the recipe in a shell, and returns its JSON."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def upgrade(cluster: Cluster, place: Place, command: Job) -> Job:
    """Stops a stream with a savepoint and starts it again, as the recipe says."""
    rest = {"http://flink-jobmanager:8081": cluster.rest, "JOB_ID": cluster.running_job()}
    request = ask(recipe("curl -s -X POST", rest))["request-id"]
    question = recipe("curl -s http", {**rest, "REQUEST_ID": request})
    assert wait_for(lambda: ask(question)["status"]["id"] == "COMPLETED", SECONDS, 0.5)
    command.wait(SECONDS)
    names = {
        "projects/my-project/subscriptions/job-events": place.published.subscription,
        "gs://my-bucket/out": str(place.output),
        "flink-jobs:8099": cluster.job_endpoint,
        "localhost:50000": cluster.pool_endpoint,
        "30000": "5000",
        "SAVEPOINT": ask(question)["operation"]["location"],
    }
    words = shlex.split(recipe("job-status run", names))[1:]
    environment = {"PUBSUB_EMULATOR_HOST": place.server.address}
    arguments = [*words, "--window_seconds", "2"]
    return Job(arguments, place.directory / "log", environment=environment)


def wait_for_watermark(cluster: Cluster) -> None:
    """Waits until the watermark of a restored job is close to the clock, and prints how long."""
    job = cluster.running_job()
    running, lags = time.monotonic(), [0.0]

    def is_close() -> bool:
        lags.append(cluster.watermark_lag(job))
        return lags[-1] <= WATERMARK_SECONDS

    assert wait_for(is_close, SECONDS, 0.2), lags[-1]
    seconds, load = time.monotonic() - running, os.getloadavg()[0]
    print(f"watermark {lags[-1]:.1f} s behind, {seconds:.1f} s after the restore; load {load:.1f}")


def test_the_upgrade_recipe_loses_and_repeats_nothing(
    cluster: Cluster, place: Place, kills: int, tmp_path: Path
) -> None:
    watcher = Watcher(place.output)
    with watcher.watching(), publishing(place) as sent:
        command = place.start([*STREAM, *cluster.arguments])
        for _ in range(kills):
            wait_for_commits(place, 2, command)
            command = upgrade(cluster, place, command)
            wait_for_watermark(cluster)
        wait_for_commits(place, 2, command)
    wait_until_all_are_written(place, sent, SECONDS)
    stop(command)
    assert check_output(place, sent, watcher, tmp_path / "file") == 0


def test_a_pane_that_is_committed_is_not_written_again_from_an_older_checkpoint(
    cluster: Cluster, place: Place, tmp_path: Path
) -> None:
    watcher = Watcher(place.output)
    with watcher.watching(), publishing(place) as sent:
        first = place.start([*STREAM, *LEASE, *cluster.arguments])
        wait_for_commits(place, 2, first)
        job = cluster.running_job()
        wait_for_commits(place, 6, first)
        older = cluster.checkpoints(job)[1]["external_path"]
        stop(first)
        second = place.start([*STREAM, *LEASE, *cluster.arguments, f"--savepoint_path={older}"])
        wait_for_commits(place, 2, second)
    wait_until_all_are_written(place, sent, SECONDS)
    stop(second)
    assert check_output(place, sent, watcher, tmp_path / "file") == 0


def test_a_detached_job_goes_on_and_the_command_shows_its_id(
    cluster: Cluster, place: Place
) -> None:
    paths = ("--input_subscription", place.published.subscription, "--output", str(place.output))
    environment = {"PUBSUB_EMULATOR_HOST": place.server.address}
    arguments = ["run", *paths, *STREAM, *cluster.arguments, "--no_wait_until_finish"]
    command = Job(arguments, place.directory / "log", environment=environment)
    assert command.wait(SECONDS) == 0, place.log()
    assert re.search(r"^job \S+: ", place.log(), re.MULTILINE), place.log()
    job = cluster.running_job()
    sent = place.server.publish(place.published.topic, envelopes(100, 1))
    assert wait_for(lambda: place.message_ids() >= set(sent), SECONDS, 0.5), cluster.logs()
    cluster.cancel(job)
