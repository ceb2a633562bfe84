"""Connects the workers of a run on this machine with their launcher, both ways.

Worker processes outlive a launcher that is killed, and go on writing for seconds. So they check
before every block whether the run goes on, and a thread of each process checks while a block is
processed. They also report their progress.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from schemas.errors import JobStatusError
from transforms.local.progress import Progress, report_progress, total_progress
from transforms.local.worker_errors import WorkerError, preserve_error_type, preserved_error

_WATCH_SECONDS = 0.25
_FAILURE = "failure"


class StoppedError(Exception):
    """The run was stopped. Its launcher removes the staged files."""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A run whose workers are processes or threads of this machine.

    Attributes:
        stop_file: The run stops when this file exists. It is on the local disk, in a directory
            that only this run uses.
        launcher: Process id of the launcher.
    """

    stop_file: str
    launcher: int

    @property
    def is_remote(self) -> bool:
        """Returns whether the workers are on other machines."""
        return not self.stop_file

    def is_over(self) -> bool:
        """Returns True if the run was stopped or its launcher has ended."""
        if os.path.exists(self.stop_file):
            return True
        try:
            os.kill(self.launcher, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False

    def check(self) -> None:
        """Raises StoppedError if the run was stopped."""
        if os.path.exists(self.stop_file):
            raise StoppedError("the run was stopped")

    def report(self, more: Progress) -> None:
        """Reports progress to the launcher."""
        if not self.is_remote:
            report_progress(os.path.dirname(self.stop_file), more)

    def progress(self) -> Progress:
        """Returns the progress of all workers so far."""
        return total_progress(os.path.dirname(self.stop_file))

    def fail(self, error: JobStatusError) -> None:
        """Makes the run fail once it has ended in order; the first error counts.

        Raises:
            WorkerError: The run is on other machines, so its bundle has to fail.
        """
        try:
            with preserve_error_type():
                raise error
        except WorkerError as raised:
            if self.is_remote:
                raise
            with suppress(FileExistsError), open(self._failure_file, "x") as file:
                file.write(str(raised))

    def failure(self) -> JobStatusError | None:
        """Returns the error of `fail`, or None."""
        if self.is_remote:
            return None
        try:
            with open(self._failure_file) as file:
                return preserved_error(file.read())
        except OSError:
            return None

    @property
    def _failure_file(self) -> str:
        return os.path.join(os.path.dirname(self.stop_file), _FAILURE)

    def watch(self) -> None:
        """Ends this process when the run is over. Does nothing in the launcher's own process."""
        if self.launcher not in (0, os.getpid()) and self not in _watched:
            _watched.add(self)
            threading.Thread(target=self._exit_with_run, name="local-run", daemon=True).start()

    def _exit_with_run(self) -> None:
        while not self.is_over():
            time.sleep(_WATCH_SECONDS)
        # Skip every clean-up: the launcher removes the staged files.
        os._exit(1)


REMOTE_RUN = LocalRun("", 0)
"""A run on other machines, whose workers cannot reach the launcher: no method does anything."""

_watched: set[LocalRun] = set()
"""At first a worker watches only its launcher. Its first block brings the stop file."""
