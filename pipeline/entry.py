"""The entry points of the command. They handle signals before they import anything else."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Runs `job-status` and returns its exit code."""
    _exit_on_signals()
    from pipeline.cli import main as run_command

    return run_command()


def main_run() -> int:
    """Runs `python -m pipeline`, which is `job-status run`, and returns its exit code."""
    _exit_on_signals()
    from pipeline.cli import main as run_command

    return run_command(["run", *sys.argv[1:]])


def _exit_on_signals() -> None:
    # Loading the command takes seconds and makes nothing that would have to be removed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)


def _exit(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)
