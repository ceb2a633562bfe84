"""Subscription: calls a server, and translates its errors."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError, UsageError
from tests.pubsub import Proxy, Published, Server, wait_for
from transforms.local.install_hint import install_beam_extra
from transforms.pubsub.client import (
    PubSubUnavailableError,
    Subscription,
    check_installed,
    checked_name,
    split_ack_ids,
)

TIMEOUT_SECONDS = 60
"""The longest wait for a message; far longer than needed."""

needs_server = pytest.mark.needs("pubsub_emulator")


@needs_server
def test_a_pulled_message_has_its_id_publish_time_and_attributes(
    server: Server, published: Published
) -> None:
    before = time.time()
    (message_id,) = server.publish(published.topic, [b"\x00\xff"], {"provider": "ashby", "x": "é"})
    (message,) = Subscription(published.subscription).pull(10, TIMEOUT_SECONDS)
    assert message.data == b"\x00\xff"
    assert message.info.message_id == message_id
    assert message.info.attributes == {"provider": "ashby", "x": "é"}
    assert before - 1 <= message.info.publish_time / 1e6 <= time.time() + 1


@needs_server
def test_a_pull_from_an_empty_subscription_returns_no_messages(published: Published) -> None:
    assert Subscription(published.subscription).pull(10, 0.2) == []


@needs_server
def test_only_an_unacknowledged_message_is_delivered_again(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"1", b"2"])
    subscription = Subscription(published.subscription)
    first, second = subscription.pull(10, TIMEOUT_SECONDS)
    subscription.acknowledge([first.ack_id])
    subscription.extend([first.ack_id, second.ack_id], 0)
    again: list[bytes] = []

    def is_delivered() -> bool:
        again.extend(message.data for message in subscription.pull(10, 1))
        return bool(again)

    assert wait_for(is_delivered, TIMEOUT_SECONDS)
    assert again == [second.data]


@needs_server
def test_an_extended_lease_lasts_as_long_as_set_and_then_ends(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"1"])
    subscription = Subscription(published.subscription)
    (message,) = subscription.pull(10, TIMEOUT_SECONDS)
    subscription.extend([message.ack_id], 2)
    started = time.monotonic()
    subscription.extend([message.ack_id], 3)
    assert wait_for(lambda: bool(subscription.pull(10, 1)), TIMEOUT_SECONDS)
    assert time.monotonic() - started >= 3


@needs_server
def test_acknowledging_or_extending_an_acknowledged_message_is_not_an_error(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"1"])
    subscription = Subscription(published.subscription)
    (message,) = subscription.pull(10, TIMEOUT_SECONDS)
    subscription.acknowledge([message.ack_id])
    subscription.acknowledge([message.ack_id])
    subscription.extend([message.ack_id], 10)


@needs_server
def test_an_answer_may_exceed_the_default_limit_of_grpc(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"x" * 9_500_000])
    (message,) = Subscription(published.subscription).pull(10, TIMEOUT_SECONDS)
    assert len(message.data) == 9_500_000


@needs_server
def test_an_error_names_a_subscription_that_does_not_exist(published: Published) -> None:
    name = published.subscription + "-gone"
    with pytest.raises(InputError, match=f"there is no subscription {name}"):
        Subscription(name).pull(10, TIMEOUT_SECONDS)


@needs_server
def test_calls_fail_while_the_server_is_away_and_succeed_once_it_is_back(
    server: Server, published: Published, proxy: Proxy
) -> None:
    subscription = Subscription(published.subscription)
    assert subscription.pull(1, 1) == []
    proxy.disconnect()
    for call in (
        lambda: subscription.pull(1, 1),
        lambda: subscription.extend(["x"], 10),
        lambda: subscription.acknowledge(["x"]),
    ):
        with pytest.raises(PubSubUnavailableError):
            call()
    server.publish(published.topic, [b"1"])
    proxy.connect()

    def pulls() -> bool:
        try:
            return bool(subscription.pull(1, 1))
        except PubSubUnavailableError:
            return False

    assert wait_for(pulls, TIMEOUT_SECONDS)


def test_the_error_without_the_client_library_has_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.pubsub_v1", None)
    with pytest.raises(UsageError) as raised:
        check_installed()
    assert raised.value.hint == install_beam_extra("gcp")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("jobs", "subscription"),
        ("projects/p/topics/jobs", "subscription"),
        ("projects/p/subscriptions/jobs", "topic"),
        ("projects/p/subscriptions/a/b", "subscription"),
        ("projects//subscriptions/a", "subscription"),
        ("projects/p/subscriptions/", "subscription"),
    ],
)
def test_a_name_of_another_form_is_a_usage_error(name: str, kind: str) -> None:
    with pytest.raises(UsageError, match=f"--input_{kind}"):
        checked_name(name, kind)


@pytest.mark.parametrize("kind", ["subscription", "topic"])
def test_a_full_name_is_returned_unchanged(kind: str) -> None:
    assert checked_name(f"projects/p/{kind}s/a.b-c", kind) == f"projects/p/{kind}s/a.b-c"


@given(st.lists(st.integers(1, 5000), max_size=3000))
def test_each_ack_id_is_in_one_batch_and_no_batch_exceeds_the_limits(lengths: list[int]) -> None:
    ack_ids = [f"{number}".ljust(length, "x") for number, length in enumerate(lengths)]
    requests = list(split_ack_ids(ack_ids))
    assert [each for request in requests for each in request] == ack_ids
    for request in requests:
        assert 1 <= len(request) <= 1000
        assert sum(map(len, request)) <= 400_000
