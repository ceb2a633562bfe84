"""Decides which messages are committed together: those of some seconds, or of some bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """When a window of a stream is committed.

    Attributes:
        seconds: After this time, and at the latest at the next multiple of it.
        bytes: As soon as it has this many bytes of messages.
    """

    seconds: float = 60.0
    bytes: int = 256 << 20


class CommitWindow:
    """The window that messages are put into at the moment.

    Its name in Beam is the second in which it was opened. A runner commits it when the watermark
    passes that second, which happens when the next one is opened. So its end does not depend on the
    clock, which can be set back, and it can end early.

    Args:
        limits: When it ends.
        after: The second of the window before, or None.

    Attributes:
        second: Its name, in seconds since 1970.
    """

    def __init__(self, limits: WindowLimits, after: int | None = None) -> None:
        now = time.time()
        self._limits = limits
        self._left = limits.bytes
        self._end = time.monotonic() + limits.seconds - now % limits.seconds
        self.second = int(now) if after is None else max(int(now), after + 1)

    def add(self, size: int) -> None:
        """Adds a message of some bytes."""
        self._left -= size

    @property
    def seconds_left(self) -> float:
        """Seconds until it is over; none if it is full."""
        return max(0.0, self._end - time.monotonic()) if self._left > 0 else 0.0

    def following(self) -> CommitWindow:
        """Returns the next window."""
        return CommitWindow(self._limits, self.second)
