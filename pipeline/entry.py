"""The entry point of the command. It handles signals before it imports anything else."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `job-status`, and returns its exit code.

    Args:
        arguments: Without the program's name; those of the process if None.
    """
    _exit_on_signals()
    from pipeline.cli import main as run_command

    return run_command(arguments)


def _exit_on_signals() -> None:
    # Loading the command takes seconds and makes nothing that would have to be removed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)


def _exit(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)
