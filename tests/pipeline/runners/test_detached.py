"""The command waits for a job on Dataflow or detaches, and reports only what it knows.

The runner is Beam's own up to the call to its service, so the graphs are those that it accepts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.runner import PipelineState
from rich.console import Console

from pipeline.commands.run import run as run_job
from pipeline.options.parser import parse_run
from pipeline.runners.choose import beam_options, is_detached
from schemas.errors import StoppedBySignal, UsageError
from tests.pipeline.command import (
    Said,
    job_status,
    run,
    visible,
    without_progress,
    write_events,
)
from transforms.pubsub import client as pubsub_client

pytestmark = pytest.mark.needs("gcp", "pubsub_client")

DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=us-central1",
    "--temp_location=gs://my-bucket/temp",
    "--staging_location=gs://my-bucket/staging",
    "--sdk_container_image=job-status:1",
)
STREAMING = ("--input_subscription", "projects/my-project/subscriptions/jobs", "--streaming")


class Service:
    """Records the requests to Dataflow and defines its answers."""

    def __init__(self) -> None:
        self.graphs: list[Any] = []
        self.is_waited_for = False
        self.state = PipelineState.RUNNING
        self.error = "Dataflow pipeline failed."

    def wait(self) -> None:
        """Raises for every state but DONE, as Dataflow's result does."""
        if self.state != PipelineState.DONE:
            raise RuntimeError(f"{self.error} State: {self.state}")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Replaces Dataflow's service: it accepts a graph as a job, or writes it to a file."""
    from apache_beam.runners.dataflow import dataflow_runner
    from apache_beam.runners.dataflow.internal import apiclient

    service = Service()

    class Client:
        def __init__(self, *_: Any) -> None:
            pass

        def create_job(self, job: Any) -> Any:
            service.graphs.append(job.proto_pipeline)
            place = job.options.view_as(GoogleCloudOptions).template_location
            if place is None:
                return SimpleNamespace(id="2026-11-22_0")
            Path(place).write_text(job.json())
            return None

    class Result(dataflow_runner.DataflowPipelineResult):
        @property
        def state(self) -> str:
            return service.state

        def wait_until_finish(self, duration: int | None = None) -> None:
            service.is_waited_for = True
            service.wait()

    def return_nothing(*_: Any) -> str:
        return ""

    monkeypatch.setattr(apiclient, "DataflowApplicationClient", Client)
    monkeypatch.setattr(dataflow_runner, "DataflowPipelineResult", Result)
    # Both would send a request.
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", return_nothing)
    monkeypatch.setattr(pubsub_client.Subscription, "describe", return_nothing)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    yield service


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_events(tmp_path / "events.jsonl", 0, 3)


def _assert_nothing_claimed(said: Said, output: Path, *job: str) -> None:
    assert said.code == 0, said.err
    assert without_progress(said.err) == [
        *job,
        "handed over to DataflowRunner, nothing is committed yet; what will be is listed in "
        f"{output}/_manifest",
    ]
    assert said.out == ""
    assert visible(output) == []


@pytest.mark.parametrize("source", ["files", "messages"])
def test_in_a_template_the_job_is_written_to_a_file_and_not_waited_for(
    source: str, service: Service, events: Path, tmp_path: Path
) -> None:
    output, place = tmp_path / "out", tmp_path / "job_object"
    read = ("--input", str(events)) if source == "files" else STREAMING
    said = run(*read, "--output", output, *DATAFLOW, f"--template_location={place}")
    _assert_nothing_claimed(said, output)
    assert place.exists()
    assert not service.is_waited_for


def test_a_template_passes_flags_as_true_or_false(service: Service, tmp_path: Path) -> None:
    output, place = tmp_path / "out", tmp_path / "job_object"
    subscription, name, _ = STREAMING
    given = [f"{subscription}={name}", "--streaming=true", "--allow_no_input=false"]
    beams = [f"--template_location={place}", "--enable_streaming_engine=true"]
    _assert_nothing_claimed(run(*given, f"--output={output}", *DATAFLOW, *beams), output)


def test_no_wait_until_finish_detaches(service: Service, events: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    said = run("--input", events, "--output", output, *DATAFLOW, "--no_wait_until_finish")
    _assert_nothing_claimed(said, output, "job 2026-11-22_0: RUNNING")
    assert len(service.graphs) == 1
    assert not service.is_waited_for


def test_a_replay_can_be_detached(service: Service, tmp_path: Path) -> None:
    output = tmp_path / "out"
    events = write_events(tmp_path / "events.jsonl", 0, 1, bad=1)
    assert run("--input", events, "--output", output).code == 0
    before = visible(output)
    again = ("replay", output, "--output", output, *DATAFLOW, "--no_wait_until_finish")
    said = job_status(*again)
    assert said.code == 0, said.err
    assert "nothing is committed yet" in said.err
    assert visible(output) == before


@pytest.mark.parametrize(
    "option", [("--report", "report.json"), ("--max_dead_letter_fraction", "0.1")]
)
def test_options_that_need_the_end_of_a_job_are_refused(
    option: tuple[str, str], service: Service, events: Path, tmp_path: Path
) -> None:
    place = f"--template_location={tmp_path / 'job_object'}"
    said = run("--input", events, "--output", tmp_path / "out", *DATAFLOW, place, *option)
    assert said.code == 2
    assert f"{option[0]} has to wait for the end of the job" in said.err
    assert service.graphs == []


def test_a_drain_cannot_be_detached(service: Service, tmp_path: Path) -> None:
    drain = (*STREAMING[:2], "--drain")
    said = run(*drain, "--output", tmp_path / "out", *DATAFLOW, "--no_wait_until_finish")
    assert said.code == 2
    assert "--drain has to wait for the end of the job" in said.err


@pytest.mark.parametrize(
    "runner",
    [
        ["--runner=FnApiRunner"],
        ["--runner=DirectRunner"],
        ["--runner=FlinkRunner"],
        ["--runner=FlinkRunner", "--flink_master=flink:8081"],
        # By default, Beam runs the workers in the command's own process.
        ["--runner=FlinkRunner", "--job_endpoint=flink:8099"],
        ["--runner=PortableRunner", "--job_endpoint=flink:8099", "--environment_type=LOOPBACK"],
    ],
)
def test_a_runner_that_ends_with_the_command_cannot_be_detached(runner: list[str]) -> None:
    name = runner[0].partition("=")[2]
    with pytest.raises(UsageError, match=f"--no_wait_until_finish is not for {name}"):
        beam_options([*runner, "--no_wait_until_finish"])


@pytest.mark.parametrize(
    "runner",
    [
        ["--runner=DataflowRunner"],
        ["--runner=PortableRunner", "--job_endpoint=flink:8099"],
        ["--runner=FlinkRunner", "--job_endpoint=flink:8099", "--environment_type=EXTERNAL"],
        ["--runner=FlinkRunner", "--flink_master=flink:8081", "--flink_submit_uber_jar"],
    ],
)
def test_a_runner_that_does_not_need_the_command_can_be_detached(runner: list[str]) -> None:
    assert not is_detached(beam_options(runner))
    assert is_detached(beam_options([*runner, "--no_wait_until_finish"]))


@pytest.mark.parametrize("state", [PipelineState.DRAINED, PipelineState.UPDATED])
def test_a_drained_or_updated_stream_has_succeeded(
    state: str, service: Service, tmp_path: Path
) -> None:
    service.state = state
    said = run(*STREAMING, "--output", tmp_path / "out", *DATAFLOW)
    assert said.code == 0, said.err
    assert service.is_waited_for


def test_a_cancelled_stream_has_failed(service: Service, tmp_path: Path) -> None:
    service.state = PipelineState.CANCELLED
    said = run(*STREAMING, "--output", tmp_path / "out", *DATAFLOW)
    assert said.code == 1
    assert "the runner failed: RuntimeError" in said.err


def test_workers_without_job_status_are_named(service: Service, tmp_path: Path) -> None:
    service.state = PipelineState.FAILED
    # Each runner repeats the error of a worker.
    service.error = (
        "stage-003 failed:Traceback (most recent call last):\n"
        "  return importlib.import_module(name)\n"
        "ModuleNotFoundError: No module named 'transforms'\n\n"
    )
    said = run(*STREAMING, "--output", tmp_path / "out", *DATAFLOW)
    assert said.code == 1
    assert "error: the workers cannot load job-status (No module named 'transforms')\n" in said.err
    assert "docs/deploy.md" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("source", ["files", "messages"])
def test_a_signal_ends_the_command_and_not_the_job(
    source: str, service: Service, events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, over = tmp_path / "out", threading.Event()
    run_id = "mine" if source == "files" else "0123abcd"
    read = ("--input", str(events), "--run_id", run_id) if source == "files" else STREAMING
    monkeypatch.setattr("pipeline.setup.prepare.new_run_id", lambda: f"20261122T000000Z-{run_id}")
    staged = output / "_staging" / run_id / "of-a-worker.avro"
    owners: list[list[Path]] = []

    def wait() -> None:
        owners.append([*output.rglob("owner-*")])
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(b"records")
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(60)

    monkeypatch.setattr(service, "wait", wait)
    with pytest.raises(StoppedBySignal) as caught:
        arguments = parse_run([*read, "--output", str(output), *DATAFLOW])
        run_job(*arguments, Console(quiet=True))
    over.set()
    assert "goes on" in caught.value.outcome
    assert staged.exists()
    # The end of the command says nothing about the job.
    assert owners == [[]]
