"""A run serves its figures in the format of Prometheus."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.report.metrics_server import check_port, served_metrics
from schemas.errors import InputError, UsageError
from tests.pipeline.command import job_status
from tests.pipeline.report.scrape import free_port, get, samples_of
from transforms.local import LocalRun, Progress


@pytest.fixture
def run(tmp_path: Path) -> LocalRun:
    """A run that has no progress yet."""
    return LocalRun(str(tmp_path / "stop"), os.getpid())


@pytest.fixture
def port(run: LocalRun) -> Iterator[int]:
    """The port at which the figures of the run are served."""
    port = free_port()
    with served_metrics(run, port):
        yield port


def test_the_figures_are_those_of_the_progress(run: LocalRun, port: int) -> None:
    now = time.time()
    progress = Progress(written=5, dead_lettered=2, ignored=1, pulled=9, acknowledged=4, retries=3)
    progress.add(Progress(not_acknowledged=1, commits=2, committed_at=now))
    progress.add(Progress(held={int((now - 60) * 1e6): 1, int((now - 30) * 1e6): 2}))
    run.report(progress)
    found = samples_of(port)
    age = found.pop("job_status_oldest_message_age_seconds")
    assert 60 <= age < 120
    assert {name: found[name] for name in found if "bucket" not in name} == {
        'job_status_events_total{outcome="written"}': 5,
        'job_status_events_total{outcome="dead_lettered"}': 2,
        'job_status_events_total{outcome="ignored"}': 1,
        "job_status_input_bytes_total": 0,
        "job_status_messages_pulled_total": 9,
        'job_status_messages_committed_total{outcome="acknowledged"}': 4,
        'job_status_messages_committed_total{outcome="not_acknowledged"}': 1,
        "job_status_messages_waiting": 4,
        "job_status_publish_to_commit_seconds_count": 0,
        "job_status_publish_to_commit_seconds_sum": 0,
        "job_status_commits_total": 2,
        "job_status_last_commit_timestamp_seconds": now,
        "job_status_retries_total": 3,
    }


def test_the_latencies_are_a_cumulative_histogram(run: LocalRun, port: int) -> None:
    now = time.time()
    progress = Progress()
    for seconds in (0.5, 3, 3, 100_000):
        progress.add(Progress.of_committed_block(int((now - seconds) * 1e6)))
    run.report(progress)
    found = samples_of(port)
    name = "job_status_publish_to_commit_seconds"
    buckets = {bound: found[f'{name}_bucket{{le="{bound}"}}'] for bound in ("1.0", "5.0", "+Inf")}
    assert buckets == {"1.0": 1, "5.0": 3, "+Inf": 4}
    assert found[f"{name}_count"] == 4
    assert found[f"{name}_sum"] == pytest.approx(100_006.5, abs=5)


def test_a_message_that_is_acknowledged_is_no_longer_the_oldest(run: LocalRun, port: int) -> None:
    published = int((time.time() - 60) * 1e6)
    progress = Progress(held={published: 1})
    progress.add(Progress(held={published: -1}))
    run.report(progress)
    assert samples_of(port)["job_status_oldest_message_age_seconds"] == 0


def test_each_figure_has_a_help_text_and_a_type(port: int) -> None:
    for family in text_string_to_metric_families(get(port, "/metrics")):
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")


def test_a_run_that_goes_on_is_healthy(port: int) -> None:
    assert get(port, "/healthz") == "the run goes on\n"


def test_a_run_that_failed_is_not_healthy(run: LocalRun, port: int) -> None:
    run.fail(InputError("the subscription is gone"))
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(port, "/healthz")


def test_another_path_is_not_found(port: int) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(port, "/")


# The port


def test_a_port_in_use_is_a_usage_error() -> None:
    with (
        socket.create_server(("", 0)) as other,
        pytest.raises(UsageError, match="cannot serve metrics on port"),
    ):
        check_port(other.getsockname()[1])


def test_the_port_can_be_used_again_after_the_run(run: LocalRun) -> None:
    port = free_port()
    for _ in range(2):
        with served_metrics(run, port):
            assert get(port, "/healthz")


def test_validate_checks_the_port(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n")
    arguments = ("--input", tmp_path / "in.jsonl", "--output", tmp_path / "out")
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        done = job_status("validate", *arguments, "--metrics_port", f"{port}")
        assert done.code == 2
        assert f"metrics: cannot serve metrics on port {port}" in done.out


def test_a_run_elsewhere_serves_no_metrics(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n")
    arguments = ("--input", tmp_path / "in.jsonl", "--output", tmp_path / "out")
    remote = ("--runner=FlinkRunner", "--flink_master=localhost:1")
    done = job_status("validate", *arguments, *remote, "--metrics_port", "1234")
    assert done.code == 2
    assert "for runs on this machine only" in done.out
