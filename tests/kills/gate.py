"""Holds `job-status` at a chosen step, so that a test can kill or signal it there.

A step is a file operation, given by its Python audit event. So the step does not depend on the
speed of the machine.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

_OPERATIONS = frozenset(
    (
        *("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir"),
        *("shutil.rmtree", "tempfile.mkdtemp"),
    )
)


class Gate(NamedTuple):
    """A step of a run, and two marker files that connect the run and its test.

    Attributes:
        directory: The directory of the marker files.
        step: A regular expression that is searched in the operation and its paths, separated by
            spaces.
        number: Holds a process before its n-th matching operation.
    """

    directory: str
    step: str
    number: int = 1

    def holds(self) -> int | None:
        """Returns the id of the process that is or was held, or None."""
        try:
            return int(self._reached.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def open(self) -> None:
        """Releases the processes that are held, and does not hold others."""
        self._opened.touch()

    def install(self) -> None:
        """Holds this process and its forks at the step."""
        step = re.compile(self.step)
        left = itertools.count(self.number - 1, -1)

        def hold(event: str, arguments: tuple[Any, ...]) -> None:
            if event not in _OPERATIONS:
                return
            operation = " ".join((event, *(each for each in arguments if isinstance(each, str))))
            if step.search(operation) and next(left) == 0:
                self._reached.write_text(f"{os.getpid()}")
                while not self._opened.exists():
                    time.sleep(0.01)

        sys.addaudithook(hold)

    @property
    def _reached(self) -> Path:
        return Path(self.directory, "reached")

    @property
    def _opened(self) -> Path:
        return Path(self.directory, "opened")
