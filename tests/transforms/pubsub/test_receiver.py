"""Receiver: bounds the bytes it holds, drops messages without a lease, and stops on request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from schemas.errors import InputError
from tests.pubsub import wait_for
from transforms.blocks.context import MessageInfo
from transforms.local import retry
from transforms.local.retry import Retry
from transforms.pubsub import receiver as receiver_module
from transforms.pubsub.client import PubSubUnavailableError, Subscription
from transforms.pubsub.leases import Leases
from transforms.pubsub.messages import Message
from transforms.pubsub.pull import PullSettings
from transforms.pubsub.receiver import Receiver

TIMEOUT_SECONDS = 60


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the waits after an error."""
    monkeypatch.setattr(retry, "_LONGEST_WAIT_SECONDS", 0.1)


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
        self.holds_empty = False
        self.seconds = 0.002
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
        time.sleep(self.seconds)
        while self.holds_empty and not count:
            time.sleep(0.1)
        with self._changed:
            self.concurrent -= 1
        if error := self.fails("pull"):
            raise error
        numbers = range(last - count, last)
        data = b"x" * self.size
        return [Message(data, MessageInfo(f"m{n}", n, {}), f"ack-{n}") for n in numbers]

    def extend(self, ack_ids: Sequence[str], seconds: int, timeout: float = 0.0) -> None:
        if error := self.fails("extend"):
            raise error
        self.leased += [(ack_id, seconds) for ack_id in ack_ids]


def receiver_of(store: Store, settings: PullSettings | None = None) -> Receiver:
    """Starts to pull from a store."""
    return Receiver(Leases(store, 77, keeps=False), settings or PullSettings())


def take(receiver: Receiver, pulls: int) -> list[list[Message]]:
    """Takes the messages of some pulls."""
    return [receiver.take(TIMEOUT_SECONDS) for _ in range(pulls)]


def test_all_messages_are_taken_once() -> None:
    store = Store(count=5000)
    receiver = receiver_of(store)
    pulled: list[Message] = []
    while len(pulled) < 5000:
        pulled += receiver.take(TIMEOUT_SECONDS)
    list(receiver.stop())
    assert sorted(each.info.publish_time for each in pulled) == list(range(5000))


def test_on_a_remote_worker_a_message_has_a_short_lease_until_a_bundle_takes_it() -> None:
    store = Store(count=2)
    receiver = Receiver(Leases(store, 600, keeps=False), PullSettings(pullers=1, puller_bytes=1))
    (taken,) = receiver.take(TIMEOUT_SECONDS)
    assert wait_for(lambda: len(store.leased) == 3, TIMEOUT_SECONDS)
    assert [seconds for ack_id, seconds in store.leased if ack_id == taken.ack_id] == [30, 600]
    assert [seconds for ack_id, seconds in store.leased if ack_id != taken.ack_id] == [30]
    list(receiver.stop())


def test_a_message_whose_lease_cannot_be_made_full_is_dropped() -> None:
    store = Store(count=1)
    receiver = receiver_of(store)
    assert wait_for(lambda: len(store.leased) == 1, TIMEOUT_SECONDS)
    store.fails = lambda call: PubSubUnavailableError("x") if call == "extend" else None
    assert receiver.take(TIMEOUT_SECONDS) == []
    list(receiver.stop(waits=False))


def test_there_are_as_many_concurrent_pulls_as_pullers() -> None:
    store = Store(together=3)
    receiver = receiver_of(store, PullSettings(pullers=3))
    take(receiver, 5)
    list(receiver.stop())
    assert store.most_concurrent == 3


def test_a_message_is_taken_while_another_pull_is_held() -> None:
    store = Store(count=1)
    receiver = receiver_of(store)
    store.holds_empty = True
    assert len(receiver.take(TIMEOUT_SECONDS)) == 1
    list(receiver.stop(waits=False))


def test_a_pull_stays_within_its_bytes_once_the_message_size_is_known() -> None:
    store = Store(size=50_000, count=10_000)
    receiver = receiver_of(store, PullSettings(pullers=1, puller_bytes=1_000_000))
    sizes = [sum(len(each.data) for each in some) for some in take(receiver, 40)]
    list(receiver.stop())
    assert max(sizes) <= 1_000_000
    # It uses the limit, too, after the first pulls.
    assert sizes[-1] >= 900_000


def test_nothing_is_pulled_ahead_of_a_slow_consumer() -> None:
    store = Store(size=1000, count=100_000)
    receiver = receiver_of(store, PullSettings(pullers=2, puller_bytes=100_000))
    take(receiver, 12)
    assert wait_for(lambda: store.concurrent == 0, TIMEOUT_SECONDS)
    time.sleep(0.05)
    before = store.left
    time.sleep(0.1)
    list(receiver.stop())
    assert store.left == before


def test_nothing_is_pulled_while_too_much_is_not_acknowledged() -> None:
    store = Store(size=1000, count=100_000)
    leases = Leases(store, 600, keeps=True)
    receiver = Receiver(leases, PullSettings(puller_bytes=10_000, held_bytes=50_000))
    held: list[Message] = []
    while messages := receiver.take(0.3):
        held += messages
    assert 40 <= len(held) <= 80
    leases.release([each.ack_id for each in held])
    assert receiver.take(TIMEOUT_SECONDS)
    list(receiver.stop())


def test_messages_whose_lease_could_not_be_extended_are_dropped() -> None:
    store = Store(count=100_000)
    store.fails = lambda call: PubSubUnavailableError("x") if call == "extend" else None
    receiver = receiver_of(store, PullSettings(pullers=1, retry=Retry(0.2)))
    with pytest.raises(InputError, match="did not answer"):
        receiver.take(TIMEOUT_SECONDS)
    assert store.left < 100_000


def test_one_refused_call_is_tried_again_and_counted() -> None:
    store = Store(count=10)
    failures = [PubSubUnavailableError("x")]
    store.fails = lambda call: failures.pop() if call == "extend" and failures else None
    receiver = receiver_of(store, PullSettings(pullers=1))
    assert receiver.take(TIMEOUT_SECONDS)
    assert receiver.take_retries() == 1
    assert receiver.take_retries() == 0
    list(receiver.stop())


def test_a_failure_is_raised_after_the_messages_of_other_pulls() -> None:
    store = Store(count=2)
    receiver = receiver_of(store)
    assert wait_for(lambda: len(store.leased) == 2, TIMEOUT_SECONDS)
    store.fails = lambda call: InputError("no") if call == "pull" else None
    pulled: list[Message] = []
    with pytest.raises(InputError, match="no"):
        while True:
            pulled += receiver.take(TIMEOUT_SECONDS)
    assert len(pulled) == 2


def test_a_stop_waits_for_an_answer_that_is_late() -> None:
    store = Store(count=1)
    store.seconds = 0.5
    receiver = receiver_of(store, PullSettings(pullers=1))
    assert wait_for(lambda: store.concurrent == 1, TIMEOUT_SECONDS)
    assert [len(messages) for messages in receiver.stop()] == [1]


def test_messages_that_arrive_after_the_stop_are_given_back_and_counted() -> None:
    store = Store(count=1)
    store.seconds = 0.5
    late: list[int] = []
    receiver = receiver_of(store, PullSettings(pullers=1))
    assert wait_for(lambda: store.concurrent == 1, TIMEOUT_SECONDS)
    assert list(receiver.stop(late.append, waits=False)) == []
    assert wait_for(lambda: late == [1], TIMEOUT_SECONDS)
    assert set(dict(store.leased).values()) == {0}


def test_a_stop_file_ends_the_pulls(tmp_path: Path) -> None:
    store = Store()
    stop = tmp_path / "stop"
    receiver = receiver_of(store, PullSettings(retry=Retry(stop_file=str(stop))))
    take(receiver, 2)
    stop.touch()
    while receiver.take(1.0):
        pass
    assert store.left > 0


def test_messages_that_nobody_takes_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "_UNUSED_SECONDS", 0.2)
    store = Store(count=1)
    receiver = receiver_of(store, PullSettings(pullers=1))
    assert wait_for(lambda: len(store.leased) == 2, TIMEOUT_SECONDS)
    assert set(dict(store.leased).values()) == {0}
    list(receiver.stop())
