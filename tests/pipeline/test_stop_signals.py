"""Signals are raised while a command prepares and collected while it runs; close ones are one."""

from __future__ import annotations

import os
import signal
import time

import pytest

from pipeline import stop_signals
from pipeline.stop_signals import (
    blocked_signals,
    collected_signals,
    ignore_signals,
    raised_signals,
)
from schemas.errors import StoppedBySignal


@pytest.fixture(autouse=True)
def no_signal_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the signals of other tests."""
    monkeypatch.setattr(stop_signals, "_last", float("-inf"))


def test_a_signal_raises_with_its_number() -> None:
    with pytest.raises(StoppedBySignal) as raised, raised_signals():
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.number == signal.SIGTERM


def test_a_collected_signal_interrupts_nothing() -> None:
    with collected_signals() as caught:
        signal.raise_signal(signal.SIGINT)
    assert caught == [signal.SIGINT]


def test_a_signal_that_is_sent_twice_at_once_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_signals, "_TOGETHER_SECONDS", 3600)  # however slow the machine is
    with collected_signals() as caught:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert caught == [signal.SIGTERM]


def test_a_later_signal_is_a_second_one() -> None:
    with collected_signals() as caught:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(stop_signals._TOGETHER_SECONDS + 0.1)
        signal.raise_signal(signal.SIGINT)
    assert caught == [signal.SIGTERM, signal.SIGINT]


def test_a_stop_that_a_destructor_swallows_is_found_when_the_run_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class SignalsWhenDeleted:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with raised_signals():
        SignalsWhenDeleted()
        with collected_signals() as caught:
            pass
    assert caught == [signal.SIGTERM]
    assert capsys.readouterr().err == ""


def test_a_process_that_is_forked_while_signals_are_blocked_can_ignore_them_first() -> None:
    with collected_signals() as caught, blocked_signals():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            ignore_signals()
            os._exit(len(caught))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with raised_signals(), collected_signals():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
