"""Signals raise an error while a command prepares, and are collected while it runs."""

from __future__ import annotations

import os
import signal
import time

import pytest

from pipeline import stop_signals
from pipeline.stop_signals import collected_signals, fork_without_signals, raised_signals
from schemas.errors import StoppedBySignal


@pytest.fixture(autouse=True)
def no_signal_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clears the time of the last signal, which another test may have set."""
    monkeypatch.setattr(stop_signals, "_last", float("-inf"))


def test_a_signal_raises_an_error_with_its_number() -> None:
    with pytest.raises(StoppedBySignal) as raised, raised_signals():
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.number == signal.SIGTERM


def test_a_collected_signal_does_not_interrupt() -> None:
    with collected_signals() as caught:
        signal.raise_signal(signal.SIGINT)
    assert caught == [signal.SIGINT]


def test_two_signals_at_once_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_signals, "_REPEAT_SECONDS", 3600)  # however slow the machine is
    with collected_signals() as caught:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert caught == [signal.SIGTERM]


def test_two_signals_with_a_pause_count_as_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_signals, "_REPEAT_SECONDS", 0.05)
    with collected_signals() as caught:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(stop_signals._REPEAT_SECONDS + 0.1)
        signal.raise_signal(signal.SIGINT)
    assert caught == [signal.SIGTERM, signal.SIGINT]


def test_a_stop_swallowed_in_a_destructor_is_collected_later(
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


def test_a_process_forked_without_signals_ignores_one_right_after_the_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fork = os.fork

    def fork_and_signal() -> int:
        child = fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return child

    monkeypatch.setattr(os, "fork", fork_and_signal)
    with collected_signals() as caught:
        child = fork_without_signals()
        if child == 0:
            os._exit(len(caught))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_previous_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with raised_signals(), collected_signals():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
