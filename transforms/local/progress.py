"""How far a local run is: its workers tell it in small files, which their launcher adds up.

The figures are for people who wait. What counts is in the books.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

import msgspec
from msgspec import Struct

_EVERY_SECONDS = 0.25
_SUFFIX = ".progress"


class Progress(Struct):
    """What was done so far.

    Attributes:
        bytes: Read of the files, as they lie there.
        events: Handed to the sink.
        dead_letters: Those among them that are dead letters.
        pulled: Messages.
        acknowledged: Messages.
    """

    bytes: int = 0
    events: int = 0
    dead_letters: int = 0
    pulled: int = 0
    acknowledged: int = 0

    def add(self, other: Progress) -> None:
        """Adds what another has done."""
        self.bytes += other.bytes
        self.events += other.events
        self.dead_letters += other.dead_letters
        self.pulled += other.pulled
        self.acknowledged += other.acknowledged


class _Teller:
    """What this process did for one run."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, f"{os.getpid()}{_SUFFIX}")
        self._done = Progress()
        self._lock = threading.Lock()
        self._told_at = 0.0

    def tell(self, more: Progress) -> None:
        with self._lock:
            self._done.add(more)
            now = time.monotonic()
            if now - self._told_at < _EVERY_SECONDS:
                return
            self._told_at = now
            part = f"{self._path}.part"
            # The directory goes with the launcher, and nobody is left to be told.
            with suppress(OSError):
                with open(part, "wb") as file:
                    file.write(msgspec.msgpack.encode(self._done))
                os.replace(part, self._path)


_tellers: dict[str, _Teller] = {}


def tell(directory: str, more: Progress) -> None:
    """Adds to what this process did for a run; its launcher sees it a moment later."""
    teller = _tellers.get(directory)
    if teller is None:
        teller = _tellers.setdefault(directory, _Teller(directory))
    teller.tell(more)


def told(directory: str) -> Progress:
    """What all processes of a run have told so far."""
    done = Progress()
    with suppress(OSError):
        for entry in os.scandir(directory):
            if entry.name.endswith(_SUFFIX):
                with suppress(OSError, msgspec.DecodeError), open(entry.path, "rb") as file:
                    done.add(msgspec.msgpack.decode(file.read(), type=Progress))
    return done
