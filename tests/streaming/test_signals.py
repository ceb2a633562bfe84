"""SIGTERM: the first ends a command well, a second at once; nothing uncommitted is acknowledged."""

from __future__ import annotations

import signal
import time

import pytest

from tests.kills.command import Job, left_over
from tests.kills.gate import Gate
from tests.pubsub import wait_for
from tests.streaming.command import DRAIN, SECONDS_TO_COME, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = pytest.mark.needs("pubsub_emulator")

STOPPED = 128 + signal.SIGTERM
LEASE_SECONDS = 12


def publish(place: Place, events: int) -> list[str]:
    """Publishes events, one a message; returns the ids of the messages."""
    return place.server.publish(place.published.topic, envelopes(events, 1))


def assert_ended(job: Job, place: Place) -> None:
    """Waits for the end: nothing is left of the command, neither processes nor staged files."""
    assert job.wait(SECONDS_TO_COME) == STOPPED, place.log()
    assert job.seconds_until_gone(60) is not None
    assert left_over(place.output) == []


def held_while_staging(place: Place, *arguments: str) -> tuple[Job, Gate]:
    """Starts a command, and waits until it is held with something pulled and nothing staged."""
    gate = Gate(str(place.directory), r"open \S+/_staging/\S+\.avro")
    job = place.start([*arguments, "--lease_seconds", str(LEASE_SECONDS)], gate=gate)
    job.wait_until_held()
    return job, gate


def send_first_sigterm(job: Job, place: Place) -> None:
    """Sends SIGTERM, and waits until the command has said that a second one ends it."""
    job.process.send_signal(signal.SIGTERM)
    assert wait_for(lambda: "a second signal ends it now" in place.log(), SECONDS_TO_COME)


def test_the_first_sigterm_commits_and_acknowledges_what_was_drained(place: Place) -> None:
    sent = publish(place, 20_000)
    job, gate = held_while_staging(place, *DRAIN)
    send_first_sigterm(job, place)
    gate.open()
    assert_ended(job, place)
    leases_are_over = time.monotonic() + LEASE_SECONDS + 1
    assert "what was pulled is committed and acknowledged" in place.log()
    committed = [row["message_id"] for row in place.rows()]
    assert committed and place.report()["read"] == len(committed)
    # Those that were under way were given back, or come again after the server's ten seconds.
    came = place.pull_until_all_are_seen(sent, SECONDS_TO_COME)
    came |= place.pull_until(leases_are_over)
    assert not came & set(committed)


@pytest.mark.parametrize("way", ["drain", pytest.param("stream", marks=pytest.mark.needs("prism"))])
def test_a_second_sigterm_ends_at_once_and_what_is_not_committed_comes_again(
    way: str, place: Place
) -> None:
    sent = publish(place, 5000)
    job, _ = held_while_staging(place, *(DRAIN if way == "drain" else streaming()))
    send_first_sigterm(job, place)
    # Two within half a second count as one.
    time.sleep(1)
    # The gate holds it: without a signal it does not end.
    job.process.send_signal(signal.SIGTERM)
    assert_ended(job, place)
    assert "what was not committed will come again" in place.log()
    place.pull_until_all_are_seen(sent, SECONDS_TO_COME)
