"""The progress of a local run: each worker writes a small file, and the launcher adds them up.

The numbers are only for display. The exact counts are in the ledger.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

import msgspec
from msgspec import Struct

_WRITE_SECONDS = 0.25
_SUFFIX = ".progress"


class Progress(Struct):
    """The progress of a worker or of a run.

    Attributes:
        bytes: Bytes that were read from files, before decompression.
        events: Events that were passed to the sink.
        dead_letters: Dead letters among these events.
        pulled: Pulled messages.
        acknowledged: Acknowledged messages.
        retries: Calls and commits that failed and were tried again.
    """

    bytes: int = 0
    events: int = 0
    dead_letters: int = 0
    pulled: int = 0
    acknowledged: int = 0
    retries: int = 0

    def add(self, other: Progress) -> None:
        """Adds other progress."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class _ProgressFile:
    """The progress of this process in one run, written at most every quarter of a second."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, f"{os.getpid()}{_SUFFIX}")
        self._done = Progress()
        self._lock = threading.Lock()
        self._written_at = 0.0

    def add(self, more: Progress) -> None:
        with self._lock:
            self._done.add(more)
            now = time.monotonic()
            if now - self._written_at < _WRITE_SECONDS:
                return
            self._written_at = now
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
