"""Acknowledging: all of it, again while the server is away, and never before the commit."""

from __future__ import annotations

import threading
import time

import pytest

from schemas.errors import InputError
from tests.pubsub import Line, Published, Server
from transforms.blocks.origin import PendingAcks
from transforms.pubsub.acknowledge import acknowledge
from transforms.pubsub.client import Subscription
from transforms.pubsub.messages import Message

pytestmark = pytest.mark.needs("pubsub_emulator")


def pulled(server: Server, published: Published, count: int) -> list[Message]:
    server.publish(published.topic, [b"%d" % number for number in range(count)])
    subscription = Subscription(published.subscription)
    messages: list[Message] = []
    while len(messages) < count:
        messages += subscription.pull(1000, 5)
    # The default lease is ten seconds; a slow machine may take longer.
    subscription.extend([each.ack_id for each in messages], 600)
    return messages


def pending_acks(published: Published, messages: list[Message]) -> PendingAcks:
    return PendingAcks(published.subscription, [each.ack_id for each in messages], 0)


def left_after_lease(server: Server, published: Published, messages: list[Message]) -> int:
    """How many of them come again when their lease has ended."""
    subscription = Subscription(published.subscription)
    subscription.extend([each.ack_id for each in messages], 1)
    time.sleep(1.5)
    return server.left(published.subscription)


def test_all_that_is_told_is_acknowledged_and_nothing_else(
    server: Server, published: Published
) -> None:
    messages = pulled(server, published, 2500)
    ack_ids = [each.ack_id for each in messages[:-3]]
    assert acknowledge(Subscription(published.subscription), ack_ids, 10) == 0
    assert left_after_lease(server, published, messages) == 3


def test_a_server_that_is_away_is_waited_for(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = pulled(server, published, 10)
    line = Line(server.address)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.address)
    subscription = Subscription(published.subscription)
    line.cut()
    mended = threading.Timer(1.5, line.mend)
    mended.start()
    assert acknowledge(subscription, [each.ack_id for each in messages], 60) == 0
    assert left_after_lease(server, published, messages) == 0
    line.cut()


def test_a_server_that_stays_away_is_given_up_without_an_error(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    assert acknowledge(Subscription(published.subscription), ["a", "b"], 0.5) == 2


def test_a_subscription_that_is_gone_is_an_error(published: Published) -> None:
    with pytest.raises(InputError):
        acknowledge(Subscription(published.subscription + "-gone"), ["a"], 10)
