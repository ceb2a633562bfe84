"""The entry point of the command. Installs signal handlers before it imports anything else."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `job-status` with the arguments of the process, or others. Returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    from pipeline.cli import main as run_command

    return run_command(arguments)


def _exit(number: int, _: FrameType | None) -> None:
    # Loading the command takes seconds, and creates nothing that would have to be removed.
    os._exit(128 + number)
