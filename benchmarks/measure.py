"""Runs a command and measures it from outside: time, processor time, memory."""

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
    """A command failed; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: From its start to its end.
        cpu_seconds: Processor time of it and of the processes it started and waited for.
        largest_bytes: Peak of the resident memory of the largest of its processes.
        total_bytes: Peak of the resident memory of all its processes at one moment, looked at five
            times a second; pages that they share count several times. Without /proc, the same as
            `largest_bytes`.
    """

    seconds: float
    cpu_seconds: float
    largest_bytes: int
    total_bytes: int


def measure(command: Sequence[str], directory: str | Path) -> Usage:
    """Runs a command to its end.

    A process that is started this way is counted with at least the memory of the process that
    starts it, so that one has to be small.

    Args:
        command: The program and its arguments.
        directory: Where to run it.

    Raises:
        CommandError: It failed.
    """
    with tempfile.TemporaryFile() as messages:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = _MemoryWatch(process.pid)
        watch.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            watch.stop()
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(max(0, messages.seek(0, os.SEEK_END) - _TAIL_BYTES))
            said = messages.read().decode(errors="replace")
            raise CommandError(f"exit code {process.returncode} of {' '.join(command)}\n{said}")
    largest = used.ru_maxrss * _MAXRSS_BYTES
    return Usage(seconds, used.ru_utime + used.ru_stime, largest, max(largest, watch.peak_bytes))


class _MemoryWatch(threading.Thread):
    """Adds up the memory of all processes of a session from time to time, where /proc tells."""

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
    """Resident memory of all processes of a session, in bytes; 0 where there is no /proc."""
    pages = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                text = file.read()
        except OSError:
            continue  # it ended just now
        # A name may hold spaces and brackets; behind it are numbers only. Source: proc(5).
        fields = text.rpartition(b")")[2].split()
        if int(fields[3]) == session:
            pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE")
