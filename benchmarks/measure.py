"""Runs a command and measures its elapsed time, processor time and memory from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLED_EVERY = 0.2
_TAIL_BYTES = 2000
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class CommandError(Exception):
    """A command failed. The message has the end of its output."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that a command used.

    Attributes:
        seconds: Elapsed time from its start to its end.
        cpu_seconds: Processor time of the command and of the processes that it waited for.
        largest_bytes: Peak resident memory of its largest process.
        total_bytes: Peak resident memory of all its processes together, sampled five times a
            second. Shared pages count several times. Without /proc, equal to `largest_bytes`.
    """

    seconds: float
    cpu_seconds: float
    largest_bytes: int
    total_bytes: int


def measure(command: Sequence[str], directory: str | Path) -> Usage:
    """Runs a command to its end and measures it.

    The system counts at least the memory of the calling process for a process that it starts, so
    the caller must be small.

    Args:
        command: The program and its arguments.
        directory: The working directory of the command.

    Raises:
        CommandError: The command failed.
    """
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        sampler = _MemorySampler(process.pid)
        sampler.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            sampler.stop()
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = output.read().decode(errors="replace")
            raise CommandError(f"exit code {process.returncode} of {' '.join(command)}\n{tail}")
    largest = used.ru_maxrss * _MAXRSS_BYTES
    return Usage(seconds, used.ru_utime + used.ru_stime, largest, max(largest, sampler.peak_bytes))


class _MemorySampler(threading.Thread):
    """Samples the memory of all processes of a session, if there is /proc."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._stopped = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self._stopped.wait(_SAMPLED_EVERY):
            self.peak_bytes = max(self.peak_bytes, resident_bytes(self._session))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def resident_bytes(session: int) -> int:
    """Returns the resident memory of all processes of a session in bytes; 0 without /proc."""
    pages = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                text = file.read()
        except OSError:
            continue  # the process has ended
        # A name may contain spaces and brackets; only numbers follow it. Source: proc(5).
        fields = text.rpartition(b")")[2].split()
        if int(fields[3]) == session:
            pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE")
