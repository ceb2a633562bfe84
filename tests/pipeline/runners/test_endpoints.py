"""A job server, a cluster or a worker pool that does not work is named before the job starts."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pipeline.runners.choose import beam_options
from pipeline.runners.endpoints import check_endpoints
from schemas.errors import UsageError
from tests.flink.pool import path_with_beam_alone, path_with_python, worker_pool
from tests.pipeline.command import run, write_events

EXTERNAL = ("--runner=PortableRunner", "--environment_type=EXTERNAL")


@contextmanager
def listening() -> Iterator[str]:
    """Listens on a port, as a job server does, and gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _accept(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            server.accept()[0].close()


def check(server: str, pool: str) -> None:
    """Checks the endpoints, as soon as the pool listens."""
    options = beam_options([*EXTERNAL, f"--job_endpoint={server}", f"--environment_config={pool}"])
    end = time.monotonic() + 60
    while True:
        try:
            check_endpoints(options)
        except UsageError as error:
            if "no worker pool answers" in error.message and time.monotonic() < end:
                time.sleep(0.2)
                continue
            raise
        return


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*EXTERNAL, "--job_endpoint=127.0.0.1:1"], "no job server answers at 127.0.0.1:1"),
        (
            ["--runner=FlinkRunner", "--flink_master=http://127.0.0.1:1"],
            "no Flink JobManager answers at 127.0.0.1:1",
        ),
        ([*EXTERNAL, "--job_endpoint=nonsense"], "no job server answers at nonsense"),
    ],
)
def test_a_server_that_does_not_answer_is_a_usage_error(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    events = write_events(tmp_path / "events.jsonl", 0, 3)
    started = time.monotonic()
    said = run("--input", events, "--output", tmp_path / "out", *arguments)
    assert said.code == 2
    assert message in said.err
    assert "docs/deploy-flink.md" in said.err
    assert time.monotonic() - started < 30
    assert not (tmp_path / "out").exists()


def test_a_pool_that_does_not_answer_is_a_usage_error() -> None:
    with listening() as server, pytest.raises(UsageError, match="no worker pool answers"):
        options = beam_options(
            [*EXTERNAL, f"--job_endpoint={server}", "--environment_config=localhost:1"]
        )
        check_endpoints(options)


def test_a_pool_for_the_flink_of_the_command_is_checked() -> None:
    options = beam_options(
        ["--runner=FlinkRunner", "--environment_type=EXTERNAL", "--environment_config=localhost:1"]
    )
    with pytest.raises(UsageError, match="no worker pool answers"):
        check_endpoints(options)


def test_a_pool_of_another_host_is_left_to_the_cluster() -> None:
    with listening() as server:
        check(server, "taskmanager.example:50000")


def test_a_pool_whose_python_cannot_start_a_worker_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.runners.endpoints._START_SECONDS", 3.0)
    with (
        listening() as server,
        worker_pool(path_with_python(tmp_path, "exit 1")) as pool,
        pytest.raises(UsageError, match=r"cannot run \(none has connected\)") as caught,
    ):
        check(server, pool)
    assert "first on PATH" in str(caught.value.hint)


def test_a_pool_whose_python_has_only_beam_is_a_usage_error(tmp_path: Path) -> None:
    with (
        listening() as server,
        worker_pool(path_with_beam_alone(tmp_path)) as pool,
        pytest.raises(UsageError, match=r"run \(ModuleNotFoundError: No module named 'pipeline'\)"),
    ):
        check(server, pool)


def test_a_pool_whose_workers_start_is_accepted() -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with listening() as server, worker_pool(path) as pool:
        check(server, pool)


def test_something_else_at_the_address_of_the_pool_is_a_usage_error() -> None:
    with (
        listening() as server,
        listening() as pool,
        pytest.raises(UsageError, match="cannot start a worker"),
    ):
        check(server, pool)
