"""Retry: repeats a call until it succeeds, the time is over, or the run was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from transforms.local import retry
from transforms.local.retry import Retry

pytestmark = pytest.mark.needs("pubsub_client")


def fails(times: float) -> Callable[[], str]:
    """Returns a function that fails some times, and then returns a text."""
    calls = 0

    def call() -> str:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise OSError(f"failure {calls}")
        return f"call {calls}"

    return call


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the waits very short."""
    monkeypatch.setattr(retry, "_LONGEST_WAIT_SECONDS", 0.001)


@pytest.mark.usefixtures("no_waits")
def test_a_call_is_repeated_until_it_succeeds() -> None:
    failures: list[str] = []
    result = Retry(60).call(fails(3), OSError, lambda error, _: failures.append(str(error)))
    assert result == "call 4"
    assert failures == ["failure 1", "failure 2", "failure 3"]


@pytest.mark.usefixtures("no_waits")
def test_the_last_error_is_raised_when_the_time_is_over() -> None:
    with pytest.raises(OSError, match="failure"):
        Retry(0.05).call(fails(float("inf")), OSError, lambda *_: None)


def test_another_error_is_raised_at_once() -> None:
    failures: list[Exception] = []
    with pytest.raises(OSError, match="failure 1"):
        Retry(60).call(fails(1), ValueError, lambda error, _: failures.append(error))
    assert not failures


def test_a_stop_ends_the_retries_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "_FIRST_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(retry, "_LONGEST_WAIT_SECONDS", 60.0)
    monkeypatch.setattr("random.uniform", lambda _, high: high)
    monkeypatch.setattr(retry, "_STOPPED_SECONDS", 0.2)
    stop = tmp_path / "stop"
    start = time.monotonic()
    with pytest.raises(OSError, match="failure 2"):
        policy = Retry(600, str(stop))
        policy.call(fails(float("inf")), OSError, lambda *_: stop.touch())
    assert time.monotonic() - start < 30
