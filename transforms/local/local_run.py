"""Connects the workers of a run on this machine with their launcher, both ways.

Worker processes outlive a launcher that is killed, and go on writing for seconds. So they check
before every block whether the run goes on, and a thread of each process checks while a block is
processed. They also report their progress.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

from transforms.local.progress import Progress, report_progress, total_progress

_WATCH_SECONDS = 0.25


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
        if self.stop_file:
            report_progress(os.path.dirname(self.stop_file), more)

    def progress(self) -> Progress:
        """Returns the progress of all workers so far."""
        return total_progress(os.path.dirname(self.stop_file))

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
