"""Pulling holds no more than it may, drops what it could not keep leased, and stops when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from tests.pubsub import wait_for
from transforms.blocks.context import MessageInfo
from transforms.pubsub.client import MAX_MESSAGES, PubSubUnavailableError
from transforms.pubsub.messages import Message
from transforms.pubsub.pull import Backoff, Puller, PullSettings, PullSize, PullTimeout

SECONDS_TO_COME = 60


class Store:
    """A subscription in memory that remembers how it was asked.

    Args:
        size: Of each of its messages, in bytes.
        count: How many there are.
        together: How many pulls have to be under way at the same time before any is answered.
    """

    def __init__(self, size: int = 100, count: int = 10_000, together: int = 1) -> None:
        self.size = size
        self.left = count
        self.leased: list[tuple[str, int]] = []
        self.at_once = self.most_at_once = 0
        self.fails: Callable[[str], Exception | None] = lambda _: None
        self._together = together
        self._changed = threading.Condition()

    def pull(self, max_messages: int, seconds: float) -> list[Message]:
        with self._changed:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most_at_once >= self._together, SECONDS_TO_COME)
            last = self.left
            count = min(max_messages, last)
            self.left -= count
        time.sleep(0.002)
        with self._changed:
            self.at_once -= 1
        if error := self.fails("pull"):
            raise error
        numbers = range(last - count, last)
        data = b"x" * self.size
        return [Message(data, MessageInfo(f"m{n}", n, {}), f"ack-{n}") for n in numbers]

    def extend(self, ack_ids: Sequence[str], seconds: int) -> None:
        if error := self.fails("extend"):
            raise error
        self.leased += [(ack_id, seconds) for ack_id in ack_ids]


def go_on_for(count: int) -> Callable[[], bool]:
    asked = 0

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        return asked < count

    return go_on


def test_all_messages_come_once_and_with_their_lease_extended() -> None:
    store = Store(count=5000)
    puller = Puller(store, PullSettings(lease_seconds=77))
    pulled = [each for some in puller.pull_while(lambda: store.left > 0) for each in some]
    assert sorted(each.info.publish_time for each in pulled) == list(range(5000))
    assert sorted(store.leased) == sorted((each.ack_id, 77) for each in pulled)


def test_as_many_pulls_are_under_way_as_there_are_pullers() -> None:
    store = Store(together=3)
    list(Puller(store, PullSettings(pullers=3)).pull_while(go_on_for(50)))
    assert store.most_at_once == 3


def test_a_puller_holds_no_more_than_its_bytes_once_it_knows_the_size() -> None:
    store = Store(size=50_000, count=10_000)
    puller = Puller(store, PullSettings(pullers=1, puller_bytes=1_000_000))
    sizes = [sum(len(each.data) for each in some) for some in puller.pull_while(go_on_for(40))]
    assert max(sizes) <= 1_000_000
    # It is not starved either: after the first pulls it takes what it may.
    assert sizes[-1] >= 900_000


def test_nothing_is_pulled_ahead_of_a_consumer_that_does_not_take_it() -> None:
    store = Store(count=100_000)
    pulls = Puller(store, PullSettings(pullers=2)).pull_while(lambda: True)
    for _ in range(12):
        next(pulls)
    before = store.left
    time.sleep(0.1)
    # One pull for each puller may be under way, and those that were ended wait to be taken.
    assert before - store.left <= 2 * MAX_MESSAGES


def test_messages_whose_lease_could_not_be_extended_are_dropped() -> None:
    store = Store(count=100)
    store.fails = lambda call: PubSubUnavailableError("x") if call == "extend" else None
    pulled = []
    with pytest.raises(PubSubUnavailableError):
        for some in Puller(store, PullSettings(pullers=1)).pull_while(lambda: True):
            pulled += some
    assert not pulled
    assert store.left < 100


def test_a_failure_comes_after_what_other_pulls_brought() -> None:
    store = Store()
    failed = threading.Event()

    def fails_once(call: str) -> Exception | None:
        if call == "pull" and not failed.is_set():
            failed.set()
            return InputError("no")
        return None

    store.fails = fails_once
    pulled = []
    with pytest.raises(InputError):
        for some in Puller(store, PullSettings(pullers=2)).pull_while(lambda: True):
            pulled.append(some)
    assert pulled


def test_a_stop_file_ends_it(tmp_path: Path) -> None:
    store = Store()
    stop = tmp_path / "stop"
    settings = PullSettings(stop_file=str(stop), pullers=1)
    pulls = Puller(store, settings).pull_while(lambda: True)
    next(pulls)
    next(pulls)
    stop.touch()
    assert list(pulls) == []


def test_what_comes_after_the_stop_is_given_back_and_not_waited_for(tmp_path: Path) -> None:
    store = Store(count=10)
    stop = tmp_path / "stop"
    answered = threading.Event()

    def answers_late(_: str) -> None:
        stop.touch()
        answered.wait(SECONDS_TO_COME)

    store.fails = answers_late
    puller = Puller(store, PullSettings(pullers=1, stop_file=str(stop)))
    # Had it been waited for, its messages would be here.
    assert list(puller.pull_while(lambda: True)) == []
    answered.set()
    assert wait_for(lambda: 0 in [seconds for _, seconds in store.leased], SECONDS_TO_COME)
    last = dict(store.leased)
    assert len(last) == 3
    assert set(last.values()) == {0}


def test_waits_get_longer_up_to_half_a_minute_and_begin_again() -> None:
    backoff = Backoff()
    waits = [backoff.next() for _ in range(12)]
    assert waits[0] <= 0.5
    assert all(15 <= wait <= 30 for wait in waits[-3:])
    assert sum(waits[:7]) < 60
    backoff.reset()
    assert backoff.next() <= 0.5


@given(
    st.integers(1, 100_000_000),
    st.lists(st.lists(st.integers(0, 10_000_000), max_size=5), max_size=20),
)
def test_what_is_asked_for_fits_if_nothing_is_larger_than_before(
    limit: int, pulls: list[list[int]]
) -> None:
    pull_size = PullSize(limit)
    for sizes in pulls:
        assert 1 <= pull_size.count() <= MAX_MESSAGES
        pull_size.learn(sizes)
        if sizes:
            assert pull_size.count() == 1 or pull_size.count() * max(sizes) <= limit


def test_a_large_message_is_forgotten_after_a_while() -> None:
    pull_size = PullSize(32 << 20)
    pull_size.learn([9_000_000])
    assert pull_size.count() == 3
    for _ in range(12):
        pull_size.learn([400])
    assert pull_size.count() == MAX_MESSAGES


def test_an_idle_server_is_given_ever_more_time() -> None:
    pull_timeout = PullTimeout()
    for _ in range(9):
        pull_timeout.learn(pull_timeout.seconds, brought_messages=False)
    assert pull_timeout.seconds == 16
    pull_timeout.learn(0.1, brought_messages=True)
    assert pull_timeout.seconds == 2


def test_a_server_that_answers_at_once_that_there_is_nothing_is_given_no_more_time() -> None:
    pull_timeout = PullTimeout()
    pull_timeout.learn(0.5, brought_messages=False)
    assert pull_timeout.seconds == 2


def test_a_slow_server_is_given_more_time_than_it_took() -> None:
    pull_timeout = PullTimeout()
    pull_timeout.learn(3, brought_messages=True)
    assert pull_timeout.seconds == 9
    pull_timeout.learn(8, brought_messages=True)
    assert pull_timeout.seconds == 16
