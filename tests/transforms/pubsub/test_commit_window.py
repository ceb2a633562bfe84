"""CommitWindow: ends after its seconds or its bytes, whatever the clock does."""

from __future__ import annotations

import time

import pytest

from transforms.pubsub.commit_window import CommitWindow, WindowLimits


class Clocks:
    """The clock that can be set, and the one that only goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1_000_020.0
        self.steady = 5.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.steady)

    def pass_seconds(self, seconds: float) -> None:
        """Lets time pass."""
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks under control."""
    return Clocks(monkeypatch)


def test_a_window_ends_at_the_next_multiple_of_its_seconds(clocks: Clocks) -> None:
    window = CommitWindow(WindowLimits(seconds=60))
    assert window.second == 1_000_020
    assert window.seconds_left == 60 - 1_000_020 % 60
    clocks.pass_seconds(60)
    assert window.seconds_left == 0


def test_a_window_ends_when_it_is_full(clocks: Clocks) -> None:
    window = CommitWindow(WindowLimits(60, bytes=100))
    window.add(99)
    assert window.seconds_left > 0
    window.add(1)
    assert window.seconds_left == 0


def test_a_window_is_named_by_the_second_in_which_it_was_opened(clocks: Clocks) -> None:
    window = CommitWindow(WindowLimits(60))
    clocks.pass_seconds(40.7)
    assert window.following().second == 1_000_060


def test_two_windows_of_the_same_second_have_different_names(clocks: Clocks) -> None:
    window = CommitWindow(WindowLimits(60))
    assert window.following().second == window.second + 1


def test_windows_end_at_their_pace_after_the_clock_was_set_back(clocks: Clocks) -> None:
    window = CommitWindow(WindowLimits(60))
    clocks.wall -= 3600
    following = window.following()
    assert following.second == window.second + 1
    assert 0 < following.seconds_left <= 60
