"""Leases: extended for as long as messages are held; what is not committed is given back."""

from __future__ import annotations

import time

import pytest

from tests.pubsub import Published, Server, wait_for
from transforms.pubsub.client import Subscription
from transforms.pubsub.leases import Leases, LeasesClosedError, give_back_all, leases_of, release
from transforms.pubsub.messages import Message

pytestmark = pytest.mark.needs("pubsub_emulator")


def pull(published: Published, leases: Leases, count: int) -> list[str]:
    """Pulls messages, holds them, and returns their ack ids."""
    subscription = Subscription(published.subscription)
    messages: list[Message] = []
    while len(messages) < count:
        messages += subscription.pull(count, 10)
    leases.hold(messages)
    return [each.ack_id for each in messages]


def test_a_lease_is_extended_for_as_long_as_the_message_is_held(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    extended: list[float] = []
    extend = Subscription.extend

    def record(self: Subscription, ack_ids: list[str], seconds: int) -> None:
        if ack_ids:
            extended.append(time.monotonic())
        extend(self, ack_ids, seconds)

    monkeypatch.setattr(Subscription, "extend", record)
    server.publish(published.topic, [b"{}"])
    leases = Leases(Subscription(published.subscription), 1, keeps=True)
    ack_ids = pull(published, leases, 1)
    assert wait_for(lambda: len(extended) >= 6, 60)
    assert server.count_available(published.subscription) == 0
    leases.release(ack_ids)
    assert wait_for(lambda: server.count_available(published.subscription) == 1, 60)


def test_what_is_not_released_is_given_back_at_once(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"{}"] * 5)
    name = published.subscription
    leases = leases_of(name, 600, keeps=True)
    assert leases_of(name, 600, keeps=True) is leases
    ack_ids = pull(published, leases, 5)
    assert leases.bytes > 0
    release(name, ack_ids[:2])
    assert give_back_all() == 3
    assert server.count_available(name) == 3
    assert leases.bytes == 0


def test_messages_that_arrive_when_the_run_is_over_are_given_back(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"{}"] * 2)
    leases = leases_of(published.subscription, 600, keeps=True)
    give_back_all()
    with pytest.raises(LeasesClosedError):
        pull(published, leases, 2)
    assert server.count_available(published.subscription) == 2


def test_a_server_that_is_away_does_not_delay_the_end(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    leases = leases_of(published.subscription, 600, keeps=True)
    leases._held["x"] = 1
    start = time.monotonic()
    assert give_back_all() == 1
    assert time.monotonic() - start < 10
