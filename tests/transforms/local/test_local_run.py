"""The workers of a local run stop with it, and a remote run needs no launcher."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transforms.local.local_run import REMOTE_RUN, LocalRun, StoppedError
from transforms.local.progress import Progress


def test_a_run_goes_on_until_its_stop_file_exists(tmp_path: Path) -> None:
    stop_file = tmp_path / "stop"
    run = LocalRun(str(stop_file), os.getpid())
    run.check()
    assert not run.is_over()
    stop_file.touch()
    assert run.is_over()
    with pytest.raises(StoppedError):
        run.check()


def test_a_run_is_over_when_its_launcher_has_ended(tmp_path: Path) -> None:
    launcher = subprocess.Popen([sys.executable, "-c", ""])
    launcher.wait()
    assert LocalRun(str(tmp_path / "stop"), launcher.pid).is_over()


def test_a_worker_ends_with_its_run(tmp_path: Path) -> None:
    code = (
        "import sys, time; from transforms.local.local_run import LocalRun;"
        "LocalRun(sys.argv[1], int(sys.argv[2])).watch(); print('watching', flush=True);"
        "time.sleep(60)"
    )
    stop_file = tmp_path / "stop"
    command = [sys.executable, "-c", code, str(stop_file), str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == b"watching\n"
        stop_file.touch()
        assert worker.wait(30) == 1


def test_the_progress_of_a_run_is_the_sum_of_the_reports(tmp_path: Path) -> None:
    run = LocalRun(str(tmp_path / "stop"), os.getpid())
    run.report(Progress(read=3))
    assert run.progress() == Progress(read=3)


def test_a_remote_run_does_nothing() -> None:
    REMOTE_RUN.check()
    REMOTE_RUN.watch()
    REMOTE_RUN.report(Progress(read=3))
    assert REMOTE_RUN.progress() == Progress()
