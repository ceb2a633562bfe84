"""Ties the workers of a local run to their launcher, both ways.

An engine's worker processes outlive a launcher that is killed, and write on for seconds. These ask
at every block, and a watcher in each process does while one is at work, whether to go on. And they
tell what they have done.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

from transforms.local.progress import Progress, tell, told

_WATCH_SECONDS = 0.25


class StoppedError(Exception):
    """The run is to end; what was staged will be removed by whoever wanted it to."""


@dataclass(frozen=True, slots=True)
class Lifeline:
    """What a worker looks at.

    Attributes:
        stop_file: When it exists, the run is to end. On the local disk, in a directory that is for
            this run alone.
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

    def tell(self, more: Progress) -> None:
        """Tells the launcher what was done, for those who wait."""
        tell(os.path.dirname(self.stop_file), more)

    def told(self) -> Progress:
        """What all workers have told so far."""
        return told(os.path.dirname(self.stop_file))

    def watch(self) -> None:
        """Ends this process with the run; does nothing in the launcher's own process."""
        if os.getpid() != self.launcher and self not in _watched:
            _watched.add(self)
            threading.Thread(target=self._end_with_run, name="lifeline", daemon=True).start()

    def _end_with_run(self) -> None:
        while not self.is_cut():
            time.sleep(_WATCH_SECONDS)
        # Nothing of this process is wanted any more, its staged files included.
        os._exit(1)


_watched: set[Lifeline] = set()
"""A worker first watches its launcher alone: it learns of the stop file with its first work."""
