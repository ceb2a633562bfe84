"""`job-status run --streaming`: windows, shards, a server that is away, Ctrl-C, what ends it."""

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
from tests.pubsub import Line, Published, Server, wait_for
from tests.streaming.command import SECONDS_TO_COME, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

LEASE_SECONDS = 30


@dataclass(frozen=True)
class Lived:
    """A stream that came to its end.

    Attributes:
        place: Where it read and wrote.
        sent: The ids of the messages that were published.
        outlived: Whether it was still running when the server had been away for seconds.
        code: Its exit code.
        ended: When, on the monotonic clock.
        is_gone: Whether its engine had ended soon after.
    """

    place: Place
    sent: list[str]
    outlived: bool
    code: int
    ended: float
    is_gone: bool


@pytest.fixture(scope="module")
def lived(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A stream of several waves and three shards, whose server was away for a while."""
    place = Place(server, server.create(), tmp_path_factory.mktemp("lived"))
    line = Line(server.address)
    arguments = streaming("--shards", "3", "--lease_seconds", str(LEASE_SECONDS))
    job = place.start(arguments, address=line.address)
    sent = publish(place, 4000, 1)
    place.wait_until_read(len(sent), job)
    line.cut()
    sent += publish(place, 1000, 2)
    outlived = not wait_for(lambda: not job.is_running, 3)
    line.mend()
    place.wait_until_read(len(sent), job)
    # How many blocks a wave makes is a matter of pace; they take the shards in turn.
    while len(parts(place, 0)) < 3 or len(parts(place, 2)) < 3:
        sent += publish(place, 500, 3)
        place.wait_until_read(len(sent), job)
    sent += publish(place, 9000, 4)
    # Whatever part of them is pulled by now, committed or not.
    time.sleep(1)
    # As a terminal does it: to the command and to whatever it has started.
    os.killpg(job.process.pid, signal.SIGINT)
    code = job.wait(SECONDS_TO_COME)
    ended = time.monotonic()
    is_gone = job.seconds_until_gone(60) is not None
    line.cut()
    return Lived(place, sent, outlived, code, ended, is_gone)


def publish(place: Place, events: int, seed: int) -> list[str]:
    """Publishes events, one a message; returns the ids of the messages."""
    return place.server.publish(place.published.topic, envelopes(events, seed))


def parts(place: Place, number: int) -> set[str]:
    """Returns one part of the names of the commits: 0 is the window, 2 the shard."""
    return {each["run_id"].split("-")[number] for each in place.manifests()}


def test_a_stream_outlives_a_server_that_is_away(lived: Lived) -> None:
    assert lived.outlived


def test_ctrl_c_ends_a_stream_well_although_a_terminal_sends_it_to_the_engine_too(
    lived: Lived,
) -> None:
    assert lived.code == 128 + signal.SIGINT, lived.place.log()
    assert "what was pulled is committed and acknowledged" in lived.place.log()
    assert lived.is_gone
    assert left_over(lived.place.output) == []


def test_windows_and_shards_are_commits_of_their_own(lived: Lived) -> None:
    assert len(parts(lived.place, 0)) >= 3
    assert parts(lived.place, 2) == {"0", "1", "2"}


def stream(published: Published, output: Path, *more: str) -> Said:
    """Streams in this process, until it ends by itself."""
    return run("--input_subscription", published.subscription, "--output", output, *more)


def test_a_commit_that_fails_ends_a_stream_and_acknowledges_nothing(
    server: Server, published: Published, tmp_path: Path
) -> None:
    place = Place(server, published, tmp_path)
    place.output.mkdir()
    (place.output / "job_status").touch()
    sent = publish(place, 100, 1)
    said = stream(published, place.output, *streaming("--lease_seconds", "10"))
    assert said.code == 5, said.err
    assert "Traceback" not in said.err
    assert str(place.output) in said.err
    assert place.pull_until_all_are_seen(sent, SECONDS_TO_COME) == set(sent)


def test_a_subscription_that_does_not_exist_ends_a_stream(
    published: Published, tmp_path: Path
) -> None:
    missing = published._replace(subscription=f"{published.subscription}-missing")
    said = stream(missing, tmp_path / "out", *streaming())
    assert said.code == 3, said.err
    assert "Traceback" not in said.err
    assert f"there is no subscription {missing.subscription}" in said.err


# Behind all others: by then its leases are over.
def test_what_was_pulled_is_there_once_and_the_rest_comes_again(lived: Lived) -> None:
    place = lived.place
    committed = Counter(row["message_id"] for row in place.rows())
    assert set(committed.values()) == {1}
    assert committed.total() == place.report()["read"]
    came = place.pull_until_all_are_seen(lived.sent, SECONDS_TO_COME)
    came |= place.pull_until(lived.ended + LEASE_SECONDS + 1)
    assert not came & set(committed)
