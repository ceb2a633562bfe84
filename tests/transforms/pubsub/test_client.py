"""The calls to Pub/Sub, made to a server, and what its errors become."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError, UsageError
from tests.pubsub import Line, Published, Server, wait_for
from transforms.local.install_hint import install_beam_extra
from transforms.pubsub.client import (
    PubSubUnavailableError,
    Subscription,
    batches,
    check_installed,
    checked_name,
)

SECONDS_TO_COME = 60

needs_server = pytest.mark.needs("pubsub_emulator")


@needs_server
def test_a_message_comes_with_its_id_time_and_attributes(
    server: Server, published: Published
) -> None:
    before = time.time()
    (message_id,) = server.publish(published.topic, [b"\x00\xff"], {"provider": "ashby", "x": "é"})
    (message,) = Subscription(published.subscription).pull(10, SECONDS_TO_COME)
    assert message.data == b"\x00\xff"
    assert message.info.message_id == message_id
    assert message.info.attributes == {"provider": "ashby", "x": "é"}
    assert before - 1 <= message.info.publish_time / 1e6 <= time.time() + 1


@needs_server
def test_an_empty_subscription_gives_nothing(published: Published) -> None:
    assert Subscription(published.subscription).pull(10, 0.2) == []


@needs_server
def test_an_acknowledged_message_does_not_come_again(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"1", b"2"])
    subscription = Subscription(published.subscription)
    first, second = subscription.pull(10, SECONDS_TO_COME)
    subscription.extend([first.ack_id, second.ack_id], 1)
    subscription.acknowledge([first.ack_id])
    again: list[bytes] = []

    def has_come() -> bool:
        again.extend(message.data for message in subscription.pull(10, 1))
        return bool(again)

    assert wait_for(has_come, SECONDS_TO_COME)
    assert again == [second.data]


@needs_server
def test_an_extended_lease_holds_and_ends(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"1"])
    subscription = Subscription(published.subscription)
    (message,) = subscription.pull(10, SECONDS_TO_COME)
    subscription.extend([message.ack_id], 5)
    started = time.monotonic()
    subscription.extend([message.ack_id], 7)
    assert wait_for(lambda: bool(subscription.pull(10, 1)), SECONDS_TO_COME)
    assert time.monotonic() - started >= 7


@needs_server
def test_what_is_done_with_a_lease_that_ran_out_is_no_error(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"1"])
    subscription = Subscription(published.subscription)
    (message,) = subscription.pull(10, SECONDS_TO_COME)
    subscription.acknowledge([message.ack_id])
    subscription.acknowledge([message.ack_id])
    subscription.extend([message.ack_id], 10)


@needs_server
def test_an_answer_may_be_larger_than_grpc_allows_by_itself(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"x" * 9_500_000])
    (message,) = Subscription(published.subscription).pull(10, SECONDS_TO_COME)
    assert len(message.data) == 9_500_000


@needs_server
def test_a_subscription_that_is_not_there_is_named(published: Published) -> None:
    name = published.subscription + "-gone"
    with pytest.raises(InputError, match=f"there is no subscription {name}"):
        Subscription(name).pull(10, SECONDS_TO_COME)


@needs_server
def test_a_server_that_is_away_is_back_later(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(server.address)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.address)
    subscription = Subscription(published.subscription)
    assert subscription.pull(1, 1) == []
    line.cut()
    for call in (
        lambda: subscription.pull(1, 1),
        lambda: subscription.extend(["x"], 10),
        lambda: subscription.acknowledge(["x"]),
    ):
        with pytest.raises(PubSubUnavailableError):
            call()
    server.publish(published.topic, [b"1"])
    line.mend()

    def pulls() -> bool:
        try:
            return bool(subscription.pull(1, 1))
        except PubSubUnavailableError:
            return False

    assert wait_for(pulls, SECONDS_TO_COME)
    line.cut()


def test_without_the_client_library_one_line_says_what_to_install(
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
def test_a_name_of_another_form_is_refused(name: str, kind: str) -> None:
    with pytest.raises(UsageError, match=f"--input_{kind}"):
        checked_name(name, kind)


@pytest.mark.parametrize("kind", ["subscription", "topic"])
def test_a_full_name_is_taken_as_it_is(kind: str) -> None:
    assert checked_name(f"projects/p/{kind}s/a.b-c", kind) == f"projects/p/{kind}s/a.b-c"


@given(st.lists(st.integers(1, 5000), max_size=3000))
def test_requests_hold_every_ack_id_once_and_never_too_many(lengths: list[int]) -> None:
    ack_ids = [f"{number}".ljust(length, "x") for number, length in enumerate(lengths)]
    requests = list(batches(ack_ids))
    assert [each for request in requests for each in request] == ack_ids
    for request in requests:
        assert 1 <= len(request) <= 1000
        assert sum(map(len, request)) <= 400_000
