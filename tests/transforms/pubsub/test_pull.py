"""Puller: bounds the bytes it holds, drops messages without a lease, and stops on request."""

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
from transforms.pubsub.client import MAX_MESSAGES, PubSubUnavailableError, Subscription
from transforms.pubsub.messages import Message
from transforms.pubsub.pull import Puller, PullSettings, PullSize, PullTimeout

TIMEOUT_SECONDS = 60


class Store(Subscription):
    """A subscription in memory that records the calls.

    Args:
        size: The size of each message, in bytes.
        count: The number of messages.
        together: The number of concurrent pulls that must have started before any is answered.
    """

    def __init__(self, size: int = 100, count: int = 10_000, together: int = 1) -> None:
        self.size = size
        self.left = count
        self.leased: list[tuple[str, int]] = []
        self.concurrent = self.most_concurrent = 0
        self.fails: Callable[[str], Exception | None] = lambda _: None
        self._together = together
        self._changed = threading.Condition()

    def pull(self, max_messages: int, seconds: float) -> list[Message]:
        with self._changed:
            self.concurrent += 1
            self.most_concurrent = max(self.most_concurrent, self.concurrent)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most_concurrent >= self._together, TIMEOUT_SECONDS)
            last = self.left
            count = min(max_messages, last)
            self.left -= count
        time.sleep(0.002)
        with self._changed:
            self.concurrent -= 1
        if error := self.fails("pull"):
            raise error
        numbers = range(last - count, last)
        data = b"x" * self.size
        return [Message(data, MessageInfo(f"m{n}", n, {}), f"ack-{n}") for n in numbers]

    def extend(self, ack_ids: Sequence[str], seconds: int) -> None:
        if error := self.fails("extend"):
            raise error
        self.leased += [(ack_id, seconds) for ack_id in ack_ids]


def continue_for(count: int) -> Callable[[], bool]:
    asked = 0

    def should_continue() -> bool:
        nonlocal asked
        asked += 1
        return asked < count

    return should_continue


def test_all_messages_are_yielded_once_and_their_leases_are_extended() -> None:
    store = Store(count=5000)
    puller = Puller(store, PullSettings(lease_seconds=77))
    pulled = [each for some in puller.pull_while(lambda: store.left > 0) for each in some]
    assert sorted(each.info.publish_time for each in pulled) == list(range(5000))
    assert sorted(store.leased) == sorted((each.ack_id, 77) for each in pulled)


def test_there_are_as_many_concurrent_pulls_as_pullers() -> None:
    store = Store(together=3)
    list(Puller(store, PullSettings(pullers=3)).pull_while(continue_for(50)))
    assert store.most_concurrent == 3


def test_a_pull_stays_within_its_bytes_once_the_message_size_is_known() -> None:
    store = Store(size=50_000, count=10_000)
    puller = Puller(store, PullSettings(pullers=1, puller_bytes=1_000_000))
    sizes = [sum(len(each.data) for each in some) for some in puller.pull_while(continue_for(40))]
    assert max(sizes) <= 1_000_000
    # It uses the limit, too, after the first pulls.
    assert sizes[-1] >= 900_000


def test_nothing_is_pulled_ahead_of_a_slow_consumer() -> None:
    store = Store(count=100_000)
    pulls = Puller(store, PullSettings(pullers=2)).pull_while(lambda: True)
    for _ in range(12):
        next(pulls)
    before = store.left
    time.sleep(0.1)
    # One pull for each puller may have started, and finished pulls wait for the consumer.
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


def test_a_failure_is_raised_after_the_messages_of_other_pulls() -> None:
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


def test_a_stop_file_ends_the_pulls(tmp_path: Path) -> None:
    store = Store()
    stop = tmp_path / "stop"
    settings = PullSettings(stop_file=str(stop), pullers=1)
    pulls = Puller(store, settings).pull_while(lambda: True)
    next(pulls)
    next(pulls)
    stop.touch()
    assert list(pulls) == []


def test_messages_that_arrive_after_the_stop_are_given_back_and_not_waited_for(
    tmp_path: Path,
) -> None:
    store = Store(count=10)
    stop = tmp_path / "stop"
    answered = threading.Event()

    def answers_late(_: str) -> None:
        stop.touch()
        answered.wait(TIMEOUT_SECONDS)

    store.fails = answers_late
    puller = Puller(store, PullSettings(pullers=1, stop_file=str(stop)))
    # If it had waited for the pull, the messages would be here.
    assert list(puller.pull_while(lambda: True)) == []
    answered.set()
    assert wait_for(lambda: 0 in [seconds for _, seconds in store.leased], TIMEOUT_SECONDS)
    last = dict(store.leased)
    assert len(last) == 3
    assert set(last.values()) == {0}


@given(
    st.integers(1, 100_000_000),
    st.lists(st.lists(st.integers(0, 10_000_000), max_size=5), max_size=20),
)
def test_the_pull_size_fits_if_no_message_is_larger_than_before(
    limit: int, pulls: list[list[int]]
) -> None:
    pull_size = PullSize(limit)
    for sizes in pulls:
        assert 1 <= pull_size.max_messages() <= MAX_MESSAGES
        pull_size.observe(sizes)
        if sizes:
            assert pull_size.max_messages() == 1 or pull_size.max_messages() * max(sizes) <= limit


def test_the_effect_of_a_large_message_fades() -> None:
    pull_size = PullSize(32 << 20)
    pull_size.observe([9_000_000])
    assert pull_size.max_messages() == 3
    for _ in range(12):
        pull_size.observe([400])
    assert pull_size.max_messages() == MAX_MESSAGES


def test_the_timeout_doubles_while_the_subscription_is_empty() -> None:
    pull_timeout = PullTimeout()
    for _ in range(9):
        pull_timeout.observe(pull_timeout.seconds, has_messages=False)
    assert pull_timeout.seconds == 16
    pull_timeout.observe(0.1, has_messages=True)
    assert pull_timeout.seconds == 2


def test_an_empty_answer_before_the_timeout_does_not_raise_it() -> None:
    pull_timeout = PullTimeout()
    pull_timeout.observe(0.5, has_messages=False)
    assert pull_timeout.seconds == 2


def test_the_timeout_is_three_times_the_response_time() -> None:
    pull_timeout = PullTimeout()
    pull_timeout.observe(3, has_messages=True)
    assert pull_timeout.seconds == 9
    pull_timeout.observe(8, has_messages=True)
    assert pull_timeout.seconds == 16
