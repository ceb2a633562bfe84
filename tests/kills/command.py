"""Starts the real command in its own process group, kills it, and checks what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastavro

from pipeline.inspect.content import content_of
from pipeline.runners.worker import PROCESS_NAME
from tests.kills.gate import Gate
from tests.kills.warm import WarmProcess

# The same as the console script, but in the interpreter that runs the tests.
_COMMAND = "import sys; from pipeline.entry import main; sys.exit(main())"
_ROOT = Path(__file__).parents[2]
_MARK = "JOB_STATUS_TEST_RUN"

_OUTPUTS = ("job_status", "dead_letter")

SECONDS_TO_REACH = 300
"""The longest wait for a step; far longer than needed."""

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


class Job:
    """A run of the command.

    Args:
        arguments: The arguments of `job-status`.
        log: The file for stderr.
        slowed: Slows down the commit.
        gate: Holds the run at a step.
        preexec: Runs in the child before the command; implies a cold start.
        cold_start: Starts a new interpreter as a user does, not a copy of a loaded process.
        environment: Variables in addition to those of this process.
    """

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        *,
        slowed: bool = False,
        gate: Gate | None = None,
        preexec: Any = None,
        cold_start: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._gate = gate
        # All descendants inherit the mark, even if they change their group or parent.
        self.mark = f"{_MARK}={os.getpid()}-{time.monotonic_ns()}"
        name, _, value = self.mark.partition("=")
        variables = {**os.environ, **(environment or {}), name: value}
        self.process: subprocess.Popen[bytes] | WarmProcess
        if preexec is None and not cold_start:
            self.process = WarmProcess(arguments, log, variables, slowed, gate)
            return
        guard = f"from tests.kills.gate import Gate; {gate!r}.install(); " if gate else ""
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", guard + _COMMAND, *arguments],
                cwd=_ROOT,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=preexec,
                env=variables,
            )

    @property
    def is_running(self) -> bool:
        """Returns whether the command has not ended yet."""
        return self.process.poll() is None

    def wait_until_held(self) -> int:
        """Waits until the gate holds a process of the run, and returns its id."""
        assert self._gate is not None
        end = time.monotonic() + SECONDS_TO_REACH
        while (process := self._gate.holds()) is None:
            assert self.is_running, f"ended before {self._gate.step}: {self.log.read_text()}"
            assert time.monotonic() < end, f"never reached {self._gate.step}"
            time.sleep(0.002)
        return process

    def kill_group(self) -> None:
        """Kills all processes of the command's group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float = 120) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(seconds)

    def processes(self) -> list[int]:
        """Returns the live processes of this run, including the command itself."""
        mark = self.mark.encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                is_marked = mark in (entry / "environ").read_bytes().split(b"\0")
                if state != "Z" and (is_marked or int(session) == self.process.pid):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def workers(self) -> list[int]:
        """Returns the live worker processes."""
        return [pid for pid in self.processes() if _name(pid) == PROCESS_NAME]

    def seconds_until_gone(self, at_most: float) -> float | None:
        """Waits until all processes of the run have ended; returns None if some have not."""
        start = time.monotonic()
        while time.monotonic() - start < at_most:
            if not self.processes():
                return time.monotonic() - start
            time.sleep(0.05)
        return None


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Watcher:
    """Checks during a run that every visible file is complete.

    Attributes:
        files: The names of the files that were checked.
        partial: The files that were not complete, each with its fault.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._stop = threading.Event()
        self.files: set[str] = set()
        self.partial: list[str] = []

    def check_new_files(self) -> None:
        """Checks every visible file that was not checked before."""
        for name in _OUTPUTS:
            for path in [*(self._output / name).rglob("*")]:
                if path.name in self.files or path.is_dir():
                    continue
                self.files.add(path.name)
                try:
                    content = content_of(str(path))
                    size = path.stat().st_size
                except Exception:
                    continue  # removed meanwhile by a run that overwrites the output
                # A file that is still written has a different size from the content read.
                if content.damage is not None or size != content.size:
                    self.partial.append(f"{path.name}: {content.damage or 'it grew'}")

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.check_new_files()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Checks new files until the context ends."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.check_new_files()


def records_in(output: Path) -> Counter[str]:
    """Returns all records of both outputs, and how often each occurs."""
    found: Counter[str] = Counter()
    for name in _OUTPUTS:
        for path in (output / name).rglob("*.avro"):
            with path.open("rb") as file:
                for record in fastavro.reader(file):
                    found[json.dumps(record, sort_keys=True, default=repr)] += 1
    return found


def left_over(output: Path) -> list[str]:
    """Returns the files of an output that are neither visible files nor manifests."""
    return sorted(
        str(path.relative_to(output))
        for path in output.rglob("*")
        if not path.is_dir()
        and not (path.relative_to(output).parts[0] in _OUTPUTS and path.suffix == ".avro")
        and not (path.parent.name == "_manifest" and path.name.count(".") == 1)
    ) + [str(path.relative_to(output)) for path in output.glob("_staging")]
