"""Retries what may succeed later: calls of a service that is away, writes to a full disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")

STOP_CHECK_SECONDS = 0.1
"""The interval at which a wait checks for the stop file."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 15.0
_STOPPED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How long to retry.

    Attributes:
        seconds: The longest time from the first failure to the last attempt.
        stop_file: A path on the local disk. Once the file exists, retries end within seconds.
    """

    seconds: float = 600.0
    stop_file: str | None = None

    def is_stopped(self) -> bool:
        """Returns whether the stop file exists."""
        return self.stop_file is not None and os.path.exists(self.stop_file)

    def call(
        self,
        function: Callable[[], Value],
        kind: type[Exception],
        failed: Callable[[Exception, float], object],
    ) -> Value:
        """Calls a function until it raises no error of a kind, and returns its result.

        Calls `failed` before each retry, with the error and the seconds until the retry.

        Raises:
            Exception: The last error of that kind once the time is over, and any other error.
        """
        from google.api_core.retry import exponential_sleep_generator

        end: float | None = None
        was_stopped = False
        for wait in exponential_sleep_generator(_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS):
            try:
                return function()
            except kind as error:
                retry_at = time.monotonic() + wait
                end = time.monotonic() + self.seconds if end is None else end
                if retry_at > end:
                    raise
                failed(error, wait)
            while (left := retry_at - time.monotonic()) > 0:
                if not was_stopped and self.is_stopped():
                    was_stopped = True
                    end = min(end, time.monotonic() + _STOPPED_SECONDS)
                    retry_at = min(retry_at, end)
                time.sleep(min(left, STOP_CHECK_SECONDS))
        raise AssertionError("the waits never end")
