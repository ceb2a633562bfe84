"""`job-status run --streaming`: windows, shards, an outage of the server, Ctrl-C, and errors."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kills.command import left_over
from tests.pipeline.command import Said, run
from tests.pubsub import Proxy, Published, Server, wait_for
from tests.streaming.command import TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

LEASE_SECONDS = 20


@dataclass(frozen=True)
class FinishedStream:
    """A stream that has ended.

    Attributes:
        place: Its subscription and directory.
        sent: The ids of the published messages.
        survived: Whether it was still running after an outage of seconds.
        code: Its exit code.
        ended: When it ended, on the monotonic clock.
        is_gone: Whether its Prism process ended soon after.
    """

    place: Place
    sent: list[str]
    survived: bool
    code: int
    ended: float
    is_gone: bool


@pytest.fixture(scope="module")
def stream(server: Server, tmp_path_factory: pytest.TempPathFactory) -> FinishedStream:
    """A stream with several waves of messages, three shards and an outage of the server."""
    place = Place(server, server.create(), tmp_path_factory.mktemp("stream"))
    proxy = Proxy(server.address)
    arguments = streaming("--shards", "3", "--lease_seconds", str(LEASE_SECONDS))
    job = place.start(arguments, address=proxy.address)
    sent = publish(place, 4000, 1)
    place.wait_until_read(len(sent), job)
    proxy.disconnect()
    sent += publish(place, 1000, 2)
    survived = not wait_for(lambda: not job.is_running, 3)
    proxy.connect()
    place.wait_until_read(len(sent), job)
    # The number of blocks of a wave depends on the speed; the blocks take turns at the shards.
    while len(parts(place, 0)) < 3 or len(parts(place, 2)) < 3:
        sent += publish(place, 500, 3)
        place.wait_until_read(len(sent), job)
    sent += publish(place, 9000, 4)
    # By then a part of them is pulled, committed or not.
    time.sleep(1)
    # A terminal, too, sends it to the command and to all its children.
    os.killpg(job.process.pid, signal.SIGINT)
    code = job.wait(TIMEOUT_SECONDS)
    ended = time.monotonic()
    is_gone = job.seconds_until_gone(60) is not None
    proxy.disconnect()
    return FinishedStream(place, sent, survived, code, ended, is_gone)


def publish(place: Place, events: int, seed: int) -> list[str]:
    """Publishes events, one a message; returns the ids of the messages."""
    return place.server.publish(place.published.topic, envelopes(events, seed))


def parts(place: Place, number: int) -> set[str]:
    """Returns one part of the run ids of the commits: 0 is the window, 2 the shard."""
    return {each["run_id"].split("-")[number] for each in place.manifests()}


def test_a_stream_survives_an_outage_of_the_server(stream: FinishedStream) -> None:
    assert stream.survived


def test_ctrl_c_ends_a_stream_in_order_although_prism_receives_it_too(
    stream: FinishedStream,
) -> None:
    assert stream.code == 128 + signal.SIGINT, stream.place.log()
    assert "what was pulled is committed and acknowledged" in stream.place.log()
    assert stream.is_gone
    assert left_over(stream.place.output) == []


def test_each_window_and_shard_has_its_own_commit(stream: FinishedStream) -> None:
    assert len(parts(stream.place, 0)) >= 3
    assert parts(stream.place, 2) == {"0", "1", "2"}


def run_stream(published: Published, output: Path, *more: str) -> Said:
    """Streams in this process until an error ends it."""
    return run("--input_subscription", published.subscription, "--output", output, *more)


def test_a_failed_commit_ends_a_stream_and_is_completed_by_the_next_run(
    server: Server, published: Published, tmp_path: Path
) -> None:
    place = Place(server, published, tmp_path)
    place.output.mkdir()
    (place.output / "job_status").touch()
    sent = publish(place, 100, 1)
    said = run_stream(published, place.output, *streaming("--retry_seconds", "1"))
    assert said.code == 5, said.err
    assert "Traceback" not in said.err
    assert str(place.output) in said.err
    (place.output / "job_status").unlink()
    said = run_stream(published, place.output, "--drain", "--idle_seconds", "2")
    assert said.code == 0, said.err
    assert place.message_ids() == set(sent)
    assert server.count_available(published.subscription) == 0


def test_a_subscription_that_does_not_exist_ends_a_stream(
    published: Published, tmp_path: Path
) -> None:
    missing = published._replace(subscription=f"{published.subscription}-missing")
    said = run_stream(missing, tmp_path / "out", *streaming())
    assert said.code == 3, said.err
    assert "Traceback" not in said.err
    assert f"there is no subscription {missing.subscription}" in said.err


# After all others, when the leases have ended.
def test_committed_messages_are_written_once_and_the_rest_is_delivered_again(
    stream: FinishedStream,
) -> None:
    place = stream.place
    committed = Counter(row["message_id"] for row in place.rows())
    assert set(committed.values()) == {1}
    assert committed.total() == place.report()["read"]
    pulled = place.pull_the_rest(stream.sent, TIMEOUT_SECONDS)
    pulled |= place.pull_at(stream.ended + LEASE_SECONDS + 1)
    assert not pulled & set(committed)
