"""`--runner FlinkRunner` as docs/deploy-flink.md has it: Flink in a job server of the command."""

from __future__ import annotations

import gzip
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.counts import Tallies
from tests.components import component_path
from tests.kills.command import Job, left_over, records_in
from tests.pipeline.command import job_status, run
from tests.project.test_deploy import commands
from tests.pubsub import Server, wait_for
from tests.streaming.command import Place
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("flink"), pytest.mark.needs("java")]

SECONDS = 300
"""The longest wait for anything; a busy machine takes minutes to start a JVM."""

EVENTS = 5000


def on_flink() -> tuple[str, ...]:
    """Arguments that choose Flink."""
    return ("--runner=FlinkRunner", f"--flink_job_server_jar={component_path('flink')}")


def documented(*, streaming: bool, replaced: dict[str, str]) -> list[str]:
    """The arguments of the command in docs/deploy-flink.md that starts Flink inside the job server.

    Args:
        streaming: Whether to take the stream.
        replaced: Paths and names of the page, and those of the test.
    """
    replaced["--flink_job_server_jar=$jar"] = f"--flink_job_server_jar={component_path('flink')}"
    (found,) = [
        words
        for words in commands("job-status run")
        if "--flink_job_server_jar=$jar" in words and ("--streaming" in words) == streaming
    ]
    assert set(replaced) <= set(found)
    return [replaced.get(word, word) for word in found[1:]]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of a few files, with bad payloads among the good ones."""
    directory = tmp_path_factory.mktemp("events")
    for number in range(3):
        lines = [*envelopes(EVENTS, number, 0.02), b"{", b'{"event":"account.created"}']
        (directory / f"{number}.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    return directory


def start(events: Path, output: Path, *more: str) -> Job:
    """Starts a run on Flink as a user does."""
    arguments = ["run", "--input", str(events / "*.jsonl.gz"), "--output", str(output)]
    return Job([*arguments, *on_flink(), *more], output.parent / "log", cold_start=True)


def wait_until(condition: Callable[[], bool], job: Job) -> None:
    """Waits for something that a run does before it ends."""

    def is_so() -> bool:
        assert job.is_running, job.log.read_text()
        return condition()

    assert wait_for(is_so, SECONDS), job.log.read_text()


def counts(report: Path) -> dict[str, object]:
    """The tallies of a run, and its texts without a rule."""
    loaded = json.loads(report.read_bytes())
    return {name: loaded[name] for name in (*Tallies.__struct_fields__, "unmapped")}


class Shapes(NamedTuple):
    """Files of every shape, bad payloads included, and what FnApiRunner makes of them."""

    pattern: str
    output: Path
    report: Path


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """Writes the files and runs them."""
    directory = tmp_path_factory.mktemp("shapes")
    made = Shapes(f"{directory}/in/*", directory / "out", directory / "report.json")
    bad = ("--shapes", "all", "--bad_fraction", "0.05", "--events", str(EVENTS))
    assert job_status("sample", directory / "in", *bad).code == 0
    done = run("--input", made.pattern, "--output", made.output, "--report", made.report)
    assert done.code == 0
    return made


@pytest.mark.parametrize("parallelism", [1, 4])
def test_the_documented_batch_gives_what_the_local_engine_gives(
    parallelism: int, shapes: Shapes, tmp_path: Path
) -> None:
    flink, report = tmp_path / "flink", tmp_path / "report.json"
    replaced = {
        "events/*.jsonl.gz": shapes.pattern,
        "/tmp/out": str(flink),
        "--parallelism=4": f"--parallelism={parallelism}",
    }
    arguments = documented(streaming=False, replaced=replaced)
    job = Job([*arguments, "--report", str(report)], tmp_path / "log", cold_start=True)
    assert job.wait(SECONDS) == 0, job.log.read_text()
    assert records_in(flink) == records_in(shapes.output)
    assert counts(report) == counts(shapes.report)
    # Each subtask with work writes a file of its own.
    assert (len(list(flink.glob("job_status/*.avro"))) > 1) == (parallelism > 1)
    assert left_over(flink) == []
    assert job.seconds_until_gone(SECONDS) is not None


def test_the_id_and_the_state_of_the_job_are_shown_while_it_runs(
    events: Path, tmp_path: Path
) -> None:
    job = start(events, tmp_path / "out")
    wait_until(lambda: ": RUNNING\n" in job.log.read_text(), job)
    lines = job.log.read_text().splitlines()
    assert any(line.startswith("job ") and line.endswith(": RUNNING") for line in lines)
    os.killpg(job.process.pid, signal.SIGTERM)
    job.wait(SECONDS)


@pytest.fixture
def many(events: Path, tmp_path: Path) -> Path:
    """So much input that a run is stopped long before its end."""
    directory = tmp_path / "many"
    directory.mkdir()
    for copy in range(300):
        os.link(events / "1.jsonl.gz", directory / f"{copy}.jsonl.gz")
    return directory


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_ends_the_command_its_flink_and_its_job(
    number: signal.Signals, many: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "out"
    output.parent.mkdir()
    job = start(many, output, "--target_file_bytes", "1")
    wait_until(lambda: any(output.glob("_staging/*/*.avro")), job)
    os.killpg(job.process.pid, number)
    assert job.wait(SECONDS) == 128 + number
    assert job.seconds_until_gone(SECONDS) is not None
    assert job.log.read_text().endswith("stopped; nothing was committed\n")
    assert "Traceback" not in job.log.read_text()
    assert not output.exists()


def test_flink_ends_with_a_command_that_is_killed(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    job = start(many, output, "--target_file_bytes", "1")
    wait_until(lambda: any(output.glob("_staging/*/*.avro")), job)
    os.kill(job.process.pid, signal.SIGKILL)
    job.wait(SECONDS)
    assert job.seconds_until_gone(SECONDS) is not None


def test_a_job_server_that_cannot_be_fetched_is_named(events: Path, tmp_path: Path) -> None:
    nowhere = "--flink_job_server_jar=http://127.0.0.1:1/flink-job-server.jar"
    arguments = ("--input", events / "*.jsonl.gz", "--output", tmp_path / "out", nowhere)
    said = run(*arguments, "--runner=FlinkRunner", f"--jar_cache_dir={tmp_path / 'cache'}")
    assert said.code == 2
    assert "the job server for Flink is missing and cannot be downloaded" in said.err
    assert "give it with --flink_job_server_jar FILE" in said.err
    assert not (tmp_path / "out").exists()


def test_a_level_that_java_does_not_know_is_refused_before_anything_starts(
    events: Path, tmp_path: Path
) -> None:
    level = "--default_sdk_harness_log_level=CRITICAL"
    said = run("--input", events / "*.jsonl.gz", "--output", tmp_path / "out", *on_flink(), level)
    assert said.code == 2
    assert "use one of DEBUG, INFO, WARN, ERROR" in said.err


@pytest.mark.needs("pubsub_emulator")
def test_the_documented_stream_commits_acknowledges_and_stops_at_sigterm(
    server: Server, tmp_path: Path
) -> None:
    place = Place(server, server.create(), tmp_path)
    sent = server.publish(place.published.topic, envelopes(EVENTS, 1))
    subscription = "projects/my-project/subscriptions/job-events"
    replaced = {subscription: place.published.subscription, "/tmp/out": str(place.output)}
    arguments = documented(streaming=True, replaced=replaced)
    server_of_tests = {"PUBSUB_EMULATOR_HOST": server.address}
    job = Job([*arguments, "--window_seconds", "2"], tmp_path / "log", environment=server_of_tests)
    wait_until(lambda: bool(place.manifests()), job)
    sent += server.publish(place.published.topic, envelopes(EVENTS, 2))
    place.wait_until_read(len(sent), job)
    job.process.send_signal(signal.SIGTERM)
    assert job.wait(SECONDS) == 128 + signal.SIGTERM
    assert "what was pulled is committed and acknowledged" in place.log()
    assert sorted(row["message_id"] for row in place.rows()) == sorted(sent)
    assert server.count_available(place.published.subscription) == 0
    assert left_over(place.output) == []
    assert job.seconds_until_gone(SECONDS) is not None
