"""The progress of a local run: each worker writes a small file, and the launcher adds them up.

The numbers are for display and monitoring. The exact counts are in the ledger.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import Counter
from contextlib import suppress

import msgspec
from msgspec import Struct, field

_WRITE_SECONDS = 0.25
_SUFFIX = ".progress"

LATENCY_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
"""Upper bounds of the buckets of latencies, in seconds. A last bucket has all the rest."""


class Progress(Struct):
    """The progress of a worker or of a run.

    Attributes:
        bytes: Bytes that were read from files, before decompression.
        read: Events that were found, and have an outcome: those of a stream once they are
            committed, others once they are staged.
        written: Records among them.
        dead_lettered: Dead letters among them.
        ignored: Events of other types among them.
        pulled: Pulled messages.
        acknowledged: Acknowledged messages.
        not_acknowledged: Committed messages that could not be acknowledged.
        retries: Calls and commits that failed and were tried again.
        commits: Commits.
        committed_at: Time of the last commit, in seconds since 1970; 0 without one.
        held: Blocks of messages that are not acknowledged, by the publish time of their oldest
            message, in microseconds since 1970.
        latencies: Blocks of messages by the seconds from the publish time of their oldest message
            to their commit: counts by the number of the bucket in LATENCY_BUCKETS.
        latency_sum: The sum of these seconds.
    """

    bytes: int = 0
    read: int = 0
    written: int = 0
    dead_lettered: int = 0
    ignored: int = 0
    pulled: int = 0
    acknowledged: int = 0
    not_acknowledged: int = 0
    retries: int = 0
    commits: int = 0
    committed_at: float = 0.0
    held: dict[int, int] = field(default_factory=dict)
    latencies: dict[int, int] = field(default_factory=dict)
    latency_sum: float = 0.0

    @staticmethod
    def of_committed_block(oldest: int) -> Progress:
        """Returns the progress of a committed block by the publish time of its oldest message."""
        # The clock of this machine may be behind the server's.
        seconds = max(0.0, time.time() - oldest / 1e6)
        bucket = bisect_left(LATENCY_BUCKETS, seconds)
        return Progress(latencies={bucket: 1}, latency_sum=seconds)

    @property
    def waiting(self) -> int:
        """Number of messages that were pulled and are not yet acknowledged."""
        return self.pulled - self.acknowledged - self.not_acknowledged

    @property
    def oldest_age(self) -> float:
        """Seconds since the oldest message was published that is not yet acknowledged, or 0."""
        return max(0.0, time.time() - min(self.held) / 1e6) if self.held else 0.0

    def add(self, other: Progress) -> None:
        """Adds other progress."""
        for name in self.__struct_fields__:
            mine, more = getattr(self, name), getattr(other, name)
            if name == "committed_at":
                total = max(mine, more)
            elif isinstance(mine, dict):
                total = {key: n for key, n in _added(mine, more).items() if n} if more else mine
            else:
                total = mine + more
            setattr(self, name, total)


def _added(mine: dict[int, int], more: dict[int, int]) -> Counter[int]:
    counts = Counter(mine)
    counts.update(more)
    return counts


class _ProgressFile:
    """The progress of this process in one run, written at most every quarter of a second."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, f"{os.getpid()}{_SUFFIX}")
        self._done = Progress()
        self._lock = threading.Lock()
        self._written_at = 0.0
        self._timer: threading.Timer | None = None

    def add(self, more: Progress) -> None:
        with self._lock:
            self._done.add(more)
            wait = self._written_at + _WRITE_SECONDS - time.monotonic()
            if wait <= 0:
                self._write()
            elif self._timer is None:
                # After the last report of a busy second there may be none for long.
                self._timer = threading.Timer(wait, self._write_later)
                self._timer.daemon = True
                self._timer.start()

    def _write_later(self) -> None:
        with self._lock:
            self._timer = None
            self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        part = f"{self._path}.part"
        # The launcher removes the directory when it ends. The file is not needed then.
        with suppress(OSError):
            with open(part, "wb") as file:
                file.write(msgspec.msgpack.encode(self._done))
            os.replace(part, self._path)


_files: dict[str, _ProgressFile] = {}


def report_progress(directory: str, more: Progress) -> None:
    """Adds to the progress of this process in a run."""
    file = _files.get(directory)
    if file is None:
        file = _files.setdefault(directory, _ProgressFile(directory))
    file.add(more)


def total_progress(directory: str) -> Progress:
    """Returns the progress of all processes of a run."""
    done = Progress()
    with suppress(OSError):
        for entry in os.scandir(directory):
            if entry.name.endswith(_SUFFIX):
                with suppress(OSError, msgspec.DecodeError), open(entry.path, "rb") as file:
                    done.add(msgspec.msgpack.decode(file.read(), type=Progress))
    return done
