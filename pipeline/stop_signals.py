"""Handles SIGINT and SIGTERM while a command works.

Before and after that, the handlers of `pipeline.entry` are in force. Only the main thread can set
handlers: in other threads, `raised_signals` and `collected_signals` set none.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from schemas.errors import StoppedBySignal

_NUMBERS = (signal.SIGINT, signal.SIGTERM)

_TOGETHER_SECONDS = 0.5
"""Signals this close count as one: `timeout` and others signal a process and then its group."""

_last = float("-inf")
"""When the last signal came, on the monotonic clock."""

_swallowed: list[int] = []
"""Signals that were raised; one that still runs a command was swallowed on the way."""


@contextmanager
def raised_signals() -> Iterator[None]:
    """Raises StoppedBySignal in the main thread at a signal, so that `finally` blocks clean up."""

    def stop(number: int) -> None:
        _swallowed.append(number)
        raise StoppedBySignal(number)

    before, sys.unraisablehook = sys.unraisablehook, _print_nothing_of_a_stop
    try:
        with _installed(stop):
            yield
    finally:
        sys.unraisablehook = before
        _swallowed.clear()


@contextmanager
def collected_signals() -> Iterator[list[int]]:
    """Collects the numbers of signals in a list and interrupts nothing.

    A stop that a library has swallowed before is the first in the list.
    """
    caught = list(_swallowed)
    with _installed(caught.append):
        yield caught


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Holds signals back: a process that is forked meanwhile can first set its own handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """Ignores both signals: this process ends with its launcher, which gets them as well."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _install(react: Callable[[int], object]) -> None:
    def handle(number: int, _: FrameType | None) -> None:
        global _last
        is_repeated = time.monotonic() - _last < _TOGETHER_SECONDS
        _last = time.monotonic()
        if not is_repeated:
            react(number)

    for number in _NUMBERS:
        signal.signal(number, handle)


@contextmanager
def _installed(react: Callable[[int], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.getsignal(number) for number in _NUMBERS]
    _install(react)
    try:
        yield
    finally:
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, handler)


def _print_nothing_of_a_stop(unraisable: sys.UnraisableHookArgs) -> None:
    # Python cannot raise in a destructor; `collected_signals` finds the stop again.
    if unraisable.exc_type is not StoppedBySignal:
        sys.__unraisablehook__(unraisable)
