"""The first SIGTERM ends a command in order, the second at once; no message is lost."""

from __future__ import annotations

import signal
import time

import pytest

from tests.kills.command import Job, left_over
from tests.kills.gate import Gate
from tests.pubsub import wait_for
from tests.streaming.command import DRAIN, TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = pytest.mark.needs("pubsub_emulator")

STOPPED = 128 + signal.SIGTERM
LEASE_SECONDS = 10


def publish(place: Place, events: int) -> list[str]:
    """Publishes events, one a message; returns the ids of the messages."""
    return place.server.publish(place.published.topic, envelopes(events, 1))


def assert_ended(job: Job, place: Place) -> None:
    """Waits for the end; the command leaves neither processes nor staged files."""
    assert job.wait(TIMEOUT_SECONDS) == STOPPED, place.log()
    assert job.seconds_until_gone(60) is not None
    assert left_over(place.output) == []


def held_while_staging(place: Place, *arguments: str) -> tuple[Job, Gate]:
    """Starts a command, and holds it when it has pulled messages and staged nothing."""
    gate = Gate(str(place.directory), r"open \S+/_staging/\S+\.avro")
    job = place.start([*arguments, "--lease_seconds", str(LEASE_SECONDS)], gate=gate)
    job.wait_until_held()
    return job, gate


def send_first_sigterm(job: Job, place: Place) -> None:
    """Sends SIGTERM, and waits until the command has announced that a second one ends it."""
    job.process.send_signal(signal.SIGTERM)
    assert wait_for(lambda: "a second signal ends it now" in place.log(), TIMEOUT_SECONDS)


def test_the_first_sigterm_commits_and_acknowledges_the_pulled_messages(place: Place) -> None:
    sent = publish(place, 20_000)
    job, gate = held_while_staging(place, *DRAIN)
    send_first_sigterm(job, place)
    gate.open()
    assert_ended(job, place)
    leases_are_over = time.monotonic() + LEASE_SECONDS + 1
    assert "what was pulled is committed and acknowledged" in place.log()
    committed = [row["message_id"] for row in place.rows()]
    assert committed and place.report()["read"] == len(committed)
    # Unfinished pulls were given back, or end with the subscription's own lease of ten seconds.
    pulled = place.pull_the_rest(sent, TIMEOUT_SECONDS)
    pulled |= place.pull_at(leases_are_over)
    assert not pulled & set(committed)


@pytest.mark.parametrize("way", ["drain", pytest.param("stream", marks=pytest.mark.needs("prism"))])
def test_a_second_sigterm_ends_at_once_and_uncommitted_messages_are_delivered_again(
    way: str, place: Place
) -> None:
    sent = publish(place, 5000)
    job, _ = held_while_staging(place, *(DRAIN if way == "drain" else streaming()))
    send_first_sigterm(job, place)
    # Two signals within half a second count as one.
    time.sleep(1)
    # The gate holds the command: without a signal it does not end.
    job.process.send_signal(signal.SIGTERM)
    assert_ended(job, place)
    assert "uncommitted messages will be delivered again" in place.log()
    assert "they were given back" in place.log()
    place.pull_the_rest(sent, TIMEOUT_SECONDS)
