"""Ties the workers of a local run to their launcher.

An engine's worker processes outlive a launcher that is killed, and write on for seconds. These ask
at every block, and a watcher in each process does while one is at work, whether to go on.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

_WATCH_SECONDS = 0.25


class StoppedError(Exception):
    """The run is to end; what was staged will be removed by whoever wanted it to."""


@dataclass(frozen=True, slots=True)
class Lifeline:
    """What a worker looks at.

    Attributes:
        stop_file: When it exists, the run is to end. On the local disk.
        launcher: Process id of the launcher.
    """

    stop_file: str
    launcher: int

    def is_cut(self) -> bool:
        """Whether the run is to end, or its launcher is gone."""
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
        """Looks, in the launcher's own process, whether to go on.

        Raises:
            StoppedError: The run is to end.
        """
        if os.path.exists(self.stop_file):
            raise StoppedError("the run was stopped")

    def watch(self) -> None:
        """Ends this process with the run; does nothing in the launcher's own process."""
        if os.getpid() != self.launcher and not _watched.is_set():
            _watched.set()
            threading.Thread(target=self._end_with_run, name="lifeline", daemon=True).start()

    def _end_with_run(self) -> None:
        while not self.is_cut():
            time.sleep(_WATCH_SECONDS)
        # Nothing of this process is wanted any more, its staged files included.
        os._exit(1)


_watched = threading.Event()
