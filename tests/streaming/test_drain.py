"""`job-status run --drain`: when it ends, how, and what stays in the subscription."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import records_of
from tests.kills.gate import Gate
from tests.pipeline.command import Said, run, visible
from tests.pubsub import Line, Published, Server, wait_for
from tests.streaming.command import DRAIN, SECONDS_TO_COME, Place
from tests.streaming.traffic import envelopes

pytestmark = pytest.mark.needs("pubsub_emulator")


def drain(published: Published, output: Path, *more: str | Path) -> Said:
    """Drains a subscription in this process."""
    name = published.subscription
    quick = ("--drain", "--idle_seconds", "1")
    return run("--input_subscription", name, "--output", output, *quick, *more)


def message_ids(output: Path) -> list[str]:
    """The message of each row."""
    return [row["message_id"] for row in records_of(output)]


def test_of_an_empty_subscription_nothing_is_committed(
    published: Published, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    said = drain(published, tmp_path / "out", "--report", report)
    assert said.code == 0, said.err
    told = json.loads(report.read_bytes())
    assert [told[key] for key in ("read", "written", "dead_lettered", "ignored")] == [0, 0, 0, 0]
    assert told["conserved"]
    assert visible(tmp_path / "out") == []


def test_what_is_drained_is_added_to_what_the_output_holds(
    server: Server, published: Published, tmp_path: Path
) -> None:
    sent = server.publish(published.topic, envelopes(50, 1))
    assert drain(published, tmp_path / "out").code == 0
    sent += server.publish(published.topic, envelopes(50, 2))
    assert drain(published, tmp_path / "out").code == 0
    assert sorted(message_ids(tmp_path / "out")) == sorted(sent)


def test_messages_without_an_event_leave_no_file_and_do_not_come_again(
    server: Server, published: Published, tmp_path: Path
) -> None:
    server.publish(published.topic, [b"", b" ", b'{"data":[]}'], {"provider": "lever"})
    assert drain(published, tmp_path / "out", "--lease_seconds", "10").code == 0
    assert [Path(name).parent.name for name in visible(tmp_path / "out")] == ["_manifest"]
    assert not wait_for(lambda: server.left(published.subscription) > 0, 11)


def test_too_many_dead_letters_are_told_when_all_is_committed(
    server: Server, published: Published, tmp_path: Path
) -> None:
    server.publish(published.topic, [b"bad", *envelopes(3, 1)])
    said = drain(published, tmp_path / "out", "--max_dead_letter_fraction", "0.1")
    assert said.code == 4, said.err
    assert len(records_of(tmp_path / "out")) == 3
    assert len(records_of(tmp_path / "out", "dead_letter")) == 1


@contextmanager
def publishing(server: Server, topic: str) -> Iterator[list[str]]:
    """Publishes a few messages every moment; gives the ids of those that were sent."""
    sent: list[str] = []
    stop = threading.Event()
    lines = envelopes(20, 1)

    def publish() -> None:
        while not stop.wait(0.05):
            sent.extend(server.publish(topic, lines))

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def test_a_subscription_that_never_is_empty_is_drained_for_max_seconds(
    server: Server, published: Published, tmp_path: Path
) -> None:
    with publishing(server, published.topic) as sent:
        assert wait_for(lambda: bool(sent), SECONDS_TO_COME)
        # A round goes on for a third of the lease.
        limits = ("--lease_seconds", "10", "--max_seconds", "1")
        assert drain(published, tmp_path / "out", *limits).code == 0
        assert message_ids(tmp_path / "out")
    assert drain(published, tmp_path / "out").code == 0
    assert wait_for(lambda: not server.left(published.subscription), SECONDS_TO_COME)
    assert set(sent) == set(message_ids(tmp_path / "out"))


def test_a_subscription_that_does_not_exist_is_an_input_error(
    server: Server, published: Published, tmp_path: Path
) -> None:
    missing = published._replace(subscription=f"{published.subscription}-missing")
    said = drain(missing, tmp_path / "out")
    assert said.code == 3
    assert f"there is no subscription {missing.subscription}" in said.err
    assert len(said.err.splitlines()) <= 4 and "Traceback" not in said.err
    assert visible(tmp_path / "out") == []


def test_where_the_output_cannot_be_written_nothing_is_pulled(
    server: Server, published: Published, tmp_path: Path
) -> None:
    server.publish(published.topic, envelopes(10, 1))
    (tmp_path / "file").touch()
    said = drain(published, tmp_path / "file" / "out")
    assert said.code == 5
    assert str(tmp_path / "file" / "out") in said.err
    assert server.left(published.subscription) == 10


def test_where_the_commit_fails_nothing_is_acknowledged(
    server: Server, published: Published, tmp_path: Path
) -> None:
    sent = server.publish(published.topic, envelopes(100, 1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "job_status").touch()
    said = drain(published, tmp_path / "out", "--lease_seconds", "10")
    assert said.code == 5, said.err
    assert "Traceback" not in said.err
    place = Place(server, published, tmp_path)
    assert place.pull_until_all_are_seen(sent, SECONDS_TO_COME) == set(sent)


def test_a_server_that_goes_away_in_between_is_waited_for(place: Place) -> None:
    sent = place.server.publish(place.published.topic, envelopes(20_000, 1))
    line = Line(place.server.address)
    gate = Gate(str(place.directory), r"open \S+/_staging/\S+\.avro")
    job = place.start(DRAIN, gate=gate, address=line.address)
    job.wait_until_held()
    line.cut()
    gate.open()
    # Longer than the two seconds after which an empty subscription would end it.
    time.sleep(3)
    assert job.is_running, place.log()
    line.mend()
    assert job.wait(SECONDS_TO_COME) == 0, place.log()
    line.cut()
    assert len(message_ids(place.output)) == len(set(message_ids(place.output)))
    # What was under way when the line broke is leased for ten seconds, and nobody knows.
    came = place.pull_until_all_are_seen(sent, SECONDS_TO_COME)
    assert not came & set(message_ids(place.output))
