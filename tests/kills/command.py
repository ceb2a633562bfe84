"""Starts the real command in a process group of its own, kills it, and looks at what is left."""

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

from pipeline.inspect.verify import content_of
from pipeline.runners.worker import PROCESS_NAME
from tests.kills.gate import Gate
from tests.kills.warm import WarmProcess

# As the console script does it, but in whichever interpreter runs the tests.
_COMMAND = "import sys; from pipeline.entry import main; sys.exit(main())"
_ROOT = Path(__file__).parents[2]
_MARK = "JOB_STATUS_TEST_RUN"

SECONDS_TO_REACH = 300
"""The longest wait for a step; a run needs far less."""

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


class Job:
    """A run of the command.

    Args:
        arguments: Of `job-status`.
        log: Where stderr goes.
        slowed: Whether the commit takes its time.
        gate: Holds it at a step.
        preexec: Runs in the child before the command, which is then started from nothing.
        from_nothing: Starts the command as a user does, not as a copy of a loaded process.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        *,
        slowed: bool = False,
        gate: Gate | None = None,
        preexec: Any = None,
        from_nothing: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._gate = gate
        # Its children carry the mark on, whatever group or parent they end up with.
        self.mark = f"{_MARK}={os.getpid()}-{time.monotonic_ns()}"
        name, _, value = self.mark.partition("=")
        variables = {**os.environ, **(environment or {}), name: value}
        self.process: subprocess.Popen[bytes] | WarmProcess
        if preexec is None and not from_nothing:
            self.process = WarmProcess(arguments, log, variables, slowed, gate)
            return
        guard = f"from tests.kills.gate import Gate; {gate!r}.guard(); " if gate else ""
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
        """Whether the command has not ended yet."""
        return self.process.poll() is None

    def wait_until_held(self) -> int:
        """Waits until its gate holds a process of it, and returns that."""
        assert self._gate is not None
        end = time.monotonic() + SECONDS_TO_REACH
        while (process := self._gate.holds()) is None:
            assert self.is_running, f"ended before {self._gate.step}: {self.log.read_text()}"
            assert time.monotonic() < end, f"never came to {self._gate.step}"
            time.sleep(0.002)
        return process

    def kill_group(self) -> None:
        """Kills the command and all that it started at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float = 120) -> int:
        """Waits for the end and gives the exit code."""
        return self.process.wait(seconds)

    def processes(self) -> list[int]:
        """The processes of this run that are alive, the command's own included."""
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
        """The worker processes that are alive."""
        return [pid for pid in self.processes() if _name(pid) == PROCESS_NAME]

    def seconds_until_gone(self, at_most: float) -> float | None:
        """How long it takes until no process of the run is left, or None if some stay."""
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
    """What a reader would find at any moment: every visible file has to be whole.

    Attributes:
        files: The visible files that were looked at.
        partial: What was wrong with any of them.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._stop = threading.Event()
        self.files: set[str] = set()
        self.partial: list[str] = []

    def look(self) -> None:
        """Looks at every file that is visible and was not looked at before."""
        for name in ("job_status", "dead_letter"):
            for path in [*(self._output / name).glob("*")]:
                if path.name in self.files:
                    continue
                self.files.add(path.name)
                try:
                    content = content_of(str(path))
                    size = path.stat().st_size
                except Exception:
                    continue  # taken away meanwhile, by a run that takes its place
                # A file that grows behind its name has another size than what was read of it.
                if content.damage is not None or size != content.size:
                    self.partial.append(f"{path.name}: {content.damage or 'it grew'}")

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.look()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Looks all along."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.look()


def records_in(output: Path) -> Counter[str]:
    """All records of both outputs, without what names the run."""
    found: Counter[str] = Counter()
    for name in ("job_status", "dead_letter"):
        for path in (output / name).glob("*.avro"):
            with path.open("rb") as file:
                for record in fastavro.reader(file):
                    found[json.dumps(record, sort_keys=True, default=repr)] += 1
    return found


def left_over(output: Path) -> list[str]:
    """Whatever lies in an output that is neither a visible file nor a manifest."""
    return sorted(
        str(path.relative_to(output))
        for path in output.rglob("*")
        if not path.is_dir()
        and not (path.parent.name in ("job_status", "dead_letter") and path.suffix == ".avro")
        and not (path.parent.name == "_manifest" and path.name.count(".") == 1)
    ) + [str(path.relative_to(output)) for path in output.glob("_staging")]
