"""DrainBatch: pulls every message once, ends at each limit, and waits for a server that is away."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.errors import InputError
from tests.pubsub import Proxy, Published, Server, wait_for
from transforms.blocks.block import RawBlock
from transforms.local.retry import Retry
from transforms.pubsub.acknowledge import acknowledge
from transforms.pubsub.client import Subscription
from transforms.pubsub.drain import DrainBatch, DrainLimits
from transforms.pubsub.leases import Leases
from transforms.pubsub.messages import Message
from transforms.pubsub.pull import PullSettings

pytestmark = pytest.mark.needs("pubsub_emulator")

QUICK = DrainLimits(idle_seconds=0.3, quiet_seconds=0.3)
ENDLESS = 3600.0
TIMEOUT_SECONDS = 120


def drain_batch(
    published: Published,
    settings: PullSettings | None = None,
    limits: DrainLimits = QUICK,
    record: Callable[[list[Message]], object] = len,
) -> Iterator[RawBlock]:
    """Pulls one batch from a subscription."""
    settings = settings or PullSettings()
    leases = Leases(Subscription(published.subscription), settings.lease_seconds, keeps=False)
    return DrainBatch(leases, settings, limits).blocks(record)


def count_payloads(blocks: Iterator[RawBlock]) -> int:
    """Returns the number of payloads in blocks."""
    return sum(len(block.payloads) for block in blocks)


def at_message(number: int, act: Callable[[], None]) -> Callable[[list[Message]], None]:
    """Returns a function that acts when that many messages have been pulled."""
    count = 0

    def record(messages: list[Message]) -> None:
        nonlocal count
        count += len(messages)
        if count == number:
            act()

    return record


def test_every_message_of_a_backlog_is_pulled_once(server: Server, published: Published) -> None:
    payloads = [b'{"id":%d}' % number for number in range(20_000)]
    server.publish(published.topic, payloads)
    blocks = list(drain_batch(published))
    assert Counter(each for block in blocks for each in block.payloads) == Counter(payloads)
    subscription = Subscription(published.subscription)
    for block in blocks:
        assert block.pending_acks is not None
        assert acknowledge(subscription, block.pending_acks.ack_ids, Retry(9)) == 0
    assert list(drain_batch(published)) == []


def test_unacknowledged_messages_are_delivered_again_when_their_lease_ends(
    server: Server, published: Published
) -> None:
    # The subscription's own lease is longer than this test.
    published = server.create(lease_seconds=600)
    server.publish(published.topic, [b"%d" % number for number in range(100)])
    before = time.monotonic()
    assert count_payloads(drain_batch(published, PullSettings(lease_seconds=3))) == 100
    assert server.count_available(published.subscription) == 0
    assert wait_for(lambda: server.count_available(published.subscription) > 0, TIMEOUT_SECONDS)
    assert time.monotonic() - before >= 3


def test_a_batch_ends_at_its_number_of_messages(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"{}"] * 10_000)
    limits = DrainLimits(messages=3000, idle_seconds=0.3, quiet_seconds=0.3)
    batches = []
    while blocks := list(drain_batch(published, limits=limits)):
        batches.append(sum(len(block.payloads) for block in blocks))
    assert sum(batches) == 10_000
    # The messages of pulls that had started, and those that waited, are included.
    assert all(3000 <= count <= 7000 for count in batches[:-1])


def test_a_batch_ends_at_its_bytes(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"x" * 10_000] * 1000)
    limits = DrainLimits(bytes=1_000_000, idle_seconds=1)
    settings = PullSettings(puller_bytes=500_000)
    first = list(drain_batch(published, settings, limits))
    assert 1_000_000 <= sum(len(each) for block in first for each in block.payloads) <= 3_500_000


def test_a_batch_waits_for_its_first_message(server: Server, published: Published) -> None:
    class Late(Subscription):
        """Gets its first message after the first empty pull."""

        def pull(self, max_messages: int, seconds: float) -> list[Message]:
            messages = super().pull(max_messages, seconds)
            if not messages and not published_late:
                published_late.extend(server.publish(published.topic, [b"{}"]))
            return messages

    published_late: list[str] = []
    leases = Leases(Late(published.subscription), 600, keeps=False)
    limits = DrainLimits(idle_seconds=TIMEOUT_SECONDS, quiet_seconds=0.3)
    batch = DrainBatch(leases, PullSettings(pullers=1), limits)
    assert [list(block.payloads) for block in batch.blocks(len)] == [[b"{}"]]
    assert published_late


def test_a_batch_with_messages_ends_when_the_server_goes_away(
    server: Server, published: Published, proxy: Proxy
) -> None:
    server.publish(published.topic, [b"{}"] * 10)
    limits = DrainLimits(quiet_seconds=ENDLESS)
    batch = drain_batch(published, limits=limits, record=at_message(10, proxy.disconnect))
    assert count_payloads(batch) == 10


def test_an_unavailable_server_is_not_an_empty_subscription(
    server: Server, published: Published, proxy: Proxy
) -> None:
    server.publish(published.topic, [b"{}"] * 10)
    proxy.disconnect()
    # Longer than the idle time after which a batch of an empty subscription ends.
    threading.Timer(0.6, proxy.connect).start()
    assert count_payloads(drain_batch(published)) == 10


def test_a_server_that_stays_away_is_an_input_error(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(InputError, match="did not answer"):
        list(drain_batch(published, PullSettings(retry=Retry(0.3))))


def test_a_stop_file_ends_a_batch_and_keeps_its_messages(
    server: Server, published: Published, tmp_path: Path
) -> None:
    server.publish(published.topic, [b"{}"] * 10)
    stop = tmp_path / "stop"
    settings = PullSettings(retry=Retry(stop_file=str(stop)))
    limits = DrainLimits(idle_seconds=ENDLESS, quiet_seconds=ENDLESS)
    batch = drain_batch(published, settings, limits, at_message(10, stop.touch))
    assert count_payloads(batch) == 10
    assert list(drain_batch(published, settings, limits)) == []


def test_a_batch_ends_although_messages_arrive_that_were_published_after_its_backlog(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"{}"])
    pulled: list[Message] = []

    def record(messages: list[Message]) -> None:
        pulled.extend(messages)
        server.publish(published.topic, [b"{}"])

    limits = DrainLimits(idle_seconds=0.5, quiet_seconds=ENDLESS, published_before=0.0)
    list(drain_batch(published, limits=limits, record=record))
    assert pulled


def test_a_batch_ends_after_its_total_time_although_messages_arrive(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"{}"])

    def record(_: list[Message]) -> None:
        server.publish(published.topic, [b"{}"])

    limits = DrainLimits(total_seconds=0.5)
    assert count_payloads(drain_batch(published, limits=limits, record=record)) > 0


def test_a_batch_with_messages_ends_in_order_when_the_subscription_is_deleted(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"{}"] * 10)
    limits = DrainLimits(quiet_seconds=ENDLESS)
    delete = at_message(10, lambda: server.delete(published.subscription))
    assert count_payloads(drain_batch(published, limits=limits, record=delete)) == 10
    with pytest.raises(InputError, match="there is no subscription"):
        list(drain_batch(published))
