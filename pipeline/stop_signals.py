"""Handles SIGINT and SIGTERM while a command works.

Before and after that, the handlers of `pipeline.entry` apply. Only the main thread can set
handlers: in other threads, `raised_signals` and `collected_signals` set none.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from schemas.errors import StoppedBySignal

_NUMBERS = (signal.SIGINT, signal.SIGTERM)

_REPEAT_SECONDS = 0.5
"""Signals within this time count as one: `timeout` signals a process and then its group."""

_last = float("-inf")
"""When the last signal arrived, on the monotonic clock."""

_raised: list[int] = []
"""Signals that were raised. If the command still runs, a library has swallowed them."""


@contextmanager
def raised_signals() -> Iterator[None]:
    """Raises StoppedBySignal in the main thread at a signal, so that `finally` blocks clean up."""

    def stop(number: int) -> None:
        _raised.append(number)
        raise StoppedBySignal(number)

    before, sys.unraisablehook = sys.unraisablehook, _ignore_unraisable_stop
    try:
        with _handled_by(stop):
            yield
    finally:
        sys.unraisablehook = before
        _raised.clear()


@contextmanager
def collected_signals() -> Iterator[list[int]]:
    """Collects the numbers of signals in a list and interrupts nothing.

    If a library has swallowed a StoppedBySignal before, its signal is the first in the list.
    """
    caught = list(_raised)
    with _handled_by(caught.append):
        yield caught


def fork_without_signals() -> int:
    """Forks this process like `os.fork`. The child ignores both signals from its start.

    The child ends with its launcher, which receives the signals too.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
    try:
        process = os.fork()
        if process == 0:
            for number in _NUMBERS:
                signal.signal(number, signal.SIG_IGN)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


@contextmanager
def _handled_by(react: Callable[[int], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        global _last
        is_repeated = time.monotonic() - _last < _REPEAT_SECONDS
        _last = time.monotonic()
        if not is_repeated:
            react(number)

    before = {number: signal.signal(number, handle) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_unraisable_stop(unraisable: sys.UnraisableHookArgs) -> None:
    # Python cannot raise in a destructor. `collected_signals` reports the stop again.
    if unraisable.exc_type is not StoppedBySignal:
        sys.__unraisablehook__(unraisable)
