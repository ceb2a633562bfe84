"""Acknowledge: acknowledges exactly the given messages, and retries while the server is away."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import grpc
import pytest

from schemas.errors import InputError
from tests.pubsub import Proxy, Published, Server
from tests.streaming.proxy import Fault, fault_proxy
from transforms.blocks.origin import PendingAcks
from transforms.local.retry import Retry
from transforms.pubsub.acknowledge import Acknowledge, acknowledge, acknowledge_completed
from transforms.pubsub.client import PubSubUnavailableError, Subscription
from transforms.pubsub.messages import Message

pytestmark = pytest.mark.needs("pubsub_emulator")


def pulled(server: Server, published: Published, count: int) -> list[Message]:
    """Publishes messages and pulls them."""
    server.publish(published.topic, [b"%d" % number for number in range(count)])
    subscription = Subscription(published.subscription)
    messages: list[Message] = []
    while len(messages) < count:
        messages += subscription.pull(1000, 5)
    # The default lease is ten seconds; a slow machine may need more.
    subscription.extend([each.ack_id for each in messages], 600)
    return messages


def count_unacknowledged(server: Server, published: Published, messages: list[Message]) -> int:
    """Ends the leases of messages, and returns how many are delivered again."""
    Subscription(published.subscription).extend([each.ack_id for each in messages], 0)
    return server.count_available(published.subscription)


def test_acknowledges_all_given_messages_and_no_others(
    server: Server, published: Published
) -> None:
    messages = pulled(server, published, 2500)
    ack_ids = [each.ack_id for each in messages[:-3]]
    assert acknowledge(Subscription(published.subscription), ack_ids, Retry(10)) == 0
    assert count_unacknowledged(server, published, messages) == 3


def test_retries_until_the_server_is_back(
    server: Server, published: Published, proxy: Proxy
) -> None:
    messages = pulled(server, published, 10)
    failures: list[PubSubUnavailableError] = []

    class Recovering(Subscription):
        """Reconnects the server after the second failure."""

        def acknowledge(self, ack_ids: list[str]) -> int:
            try:
                return super().acknowledge(ack_ids)
            except PubSubUnavailableError as error:
                failures.append(error)
                if len(failures) == 2:
                    proxy.connect()
                raise

    subscription = Recovering(published.subscription)
    proxy.disconnect()
    assert acknowledge(subscription, [each.ack_id for each in messages], Retry(60)) == 0
    assert len(failures) >= 2
    assert count_unacknowledged(server, published, messages) == 0


def test_counts_what_exactly_once_delivery_refuses(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fault_proxy(server.address) as proxy:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", proxy.address)
        ended = Fault(grpc.StatusCode.FAILED_PRECONDITION, refused=["a", "b"])
        proxy.next("Acknowledge", ended)
        subscription = Subscription(published.subscription)
        assert acknowledge(subscription, ["a", "b", "c"], Retry(10)) == 2


def test_the_messages_of_a_completed_commit_are_not_delivered_again(
    server: Server, published: Published
) -> None:
    messages = pulled(server, published, 4)
    assert acknowledge_completed(published.subscription, [each.ack_id for each in messages]) == 4
    assert count_unacknowledged(server, published, messages) == 0


def test_the_intent_of_a_commit_is_deleted_once_its_messages_are_acknowledged(
    server: Server, published: Published, tmp_path: Path
) -> None:
    messages = pulled(server, published, 3)
    intent = tmp_path / "x.pending.json"
    intent.touch()
    ack_ids = [each.ack_id for each in messages]
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        acks = [PendingAcks(published.subscription, [each], 0, str(intent)) for each in ack_ids]
        _ = pipeline | beam.Create(acks) | Acknowledge(retry=Retry(10))
    assert not intent.exists()
    assert count_unacknowledged(server, published, messages) == 0


def test_a_start_goes_on_without_the_acknowledgements_of_a_completed_commit(
    published: Published,
) -> None:
    assert acknowledge_completed(published.subscription + "-gone", ["a"]) == 0


def test_gives_up_without_an_error_if_the_server_stays_away(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    assert acknowledge(Subscription(published.subscription), ["a", "b"], Retry(0.5)) == 2


def test_raises_an_input_error_if_the_subscription_does_not_exist(published: Published) -> None:
    with pytest.raises(InputError):
        acknowledge(Subscription(published.subscription + "-gone"), ["a"], Retry(10))
