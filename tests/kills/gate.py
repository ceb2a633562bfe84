"""Holds `job-status` at a chosen step until it is let on: a kill or a signal hits it there.

A step is an operation on a file, as Python's audit events name it. So a test waits for what the
run has reached, and neither a quick nor a slow machine changes where it is hit.
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
    """A step of a run, and the files by which the run and its test speak.

    Attributes:
        directory: Holds those files.
        step: A regular expression, found in the operation and its paths with a space between them.
        number: Which of the operations that match, of one process, is held before it is done.
    """

    directory: str
    step: str
    number: int = 1

    def holds(self) -> int | None:
        """Returns the process that is held, or was."""
        try:
            return int(self._reached.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def open(self) -> None:
        """Lets all on that are held, or will be."""
        self._opened.touch()

    def guard(self) -> None:
        """Holds this process, or those that are forked from it, at the step."""
        step = re.compile(self.step)
        left = itertools.count(self.number - 1, -1)

        def look(event: str, arguments: tuple[Any, ...]) -> None:
            if event not in _OPERATIONS:
                return
            operation = " ".join((event, *(each for each in arguments if isinstance(each, str))))
            if step.search(operation) and next(left) == 0:
                self._reached.write_text(f"{os.getpid()}")
                while not self._opened.exists():
                    time.sleep(0.01)

        sys.addaudithook(look)

    @property
    def _reached(self) -> Path:
        return Path(self.directory, "reached")

    @property
    def _opened(self) -> Path:
        return Path(self.directory, "opened")
