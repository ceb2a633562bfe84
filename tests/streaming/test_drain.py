"""`job-status run --drain`: commits all messages, and acknowledges only committed ones."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import records_of
from tests.kills.command import left_over
from tests.kills.gate import Gate
from tests.pipeline.command import Said, run, visible
from tests.pubsub import Proxy, Published, Server, wait_for
from tests.streaming.command import DRAIN, TIMEOUT_SECONDS, Place
from tests.streaming.traffic import envelopes

pytestmark = pytest.mark.needs("pubsub_emulator")


def drain(published: Published, output: Path, *more: str | Path) -> Said:
    """Drains a subscription in this process."""
    name = published.subscription
    quick = ("--drain", "--idle_seconds", "0.3")
    return run("--input_subscription", name, "--output", output, *quick, *more)


def message_ids(output: Path) -> list[str]:
    """Returns the message id of each record."""
    return [row["message_id"] for row in records_of(output)]


def test_nothing_is_committed_for_an_empty_subscription(
    published: Published, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    said = drain(published, tmp_path / "out", "--report", report)
    assert said.code == 0, said.err
    counts = json.loads(report.read_bytes())
    assert [counts[key] for key in ("read", "written", "dead_lettered", "ignored")] == [0, 0, 0, 0]
    assert counts["conserved"]
    assert visible(tmp_path / "out") == []


def test_a_second_drain_adds_to_the_output(
    server: Server, published: Published, tmp_path: Path
) -> None:
    sent = server.publish(published.topic, envelopes(50, 1))
    assert drain(published, tmp_path / "out").code == 0
    sent += server.publish(published.topic, envelopes(50, 2))
    assert drain(published, tmp_path / "out").code == 0
    assert sorted(message_ids(tmp_path / "out")) == sorted(sent)


def test_messages_without_an_event_write_no_records_and_are_not_delivered_again(
    server: Server, published: Published, tmp_path: Path, end_leases: Callable[[], int]
) -> None:
    server.publish(published.topic, [b"", b" ", b'{"data":[]}'], {"provider": "lever"})
    assert drain(published, tmp_path / "out").code == 0
    assert [Path(name).parent.name for name in visible(tmp_path / "out")] == ["_manifest"]
    assert end_leases() == 3
    assert server.count_available(published.subscription) == 0


def test_too_many_dead_letters_are_an_error_after_everything_is_committed(
    server: Server, published: Published, tmp_path: Path
) -> None:
    server.publish(published.topic, [b"bad", *envelopes(3, 1)])
    said = drain(published, tmp_path / "out", "--max_dead_letter_fraction", "0.1")
    assert said.code == 4, said.err
    assert len(records_of(tmp_path / "out")) == 3
    assert len(records_of(tmp_path / "out", "dead_letter")) == 1


def test_nothing_but_dead_letters_is_an_error_after_they_are_committed_and_acknowledged(
    server: Server, published: Published, tmp_path: Path, end_leases: Callable[[], int]
) -> None:
    server.publish(published.topic, [b"bad", b"worse"])
    said = drain(published, tmp_path / "out")
    assert said.code == 4, said.err
    assert "no event was written: 2 dead letters committed" in said.err
    assert len(records_of(tmp_path / "out", "dead_letter")) == 2
    end_leases()
    assert server.count_available(published.subscription) == 0


def test_the_report_page_of_a_drain_has_its_command_line_and_the_message_of_a_dead_letter(
    server: Server, published: Published, tmp_path: Path
) -> None:
    (bad, *_) = server.publish(published.topic, [b"bad", *envelopes(3, 1)])
    page = tmp_path / "report.html"
    assert drain(published, tmp_path / "out", "--report", page).code == 0
    text = page.read_text("utf-8")
    assert f"job-status run --input_subscription {published.subscription} " in text
    assert f"message {bad} of {published.subscription}" in text


@contextmanager
def publishing(server: Server, topic: str) -> Iterator[list[str]]:
    """Publishes steadily; gives the ids of the messages."""
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


def test_a_drain_of_a_subscription_that_is_never_empty_ends_after_max_seconds(
    server: Server, published: Published, tmp_path: Path
) -> None:
    with publishing(server, published.topic) as sent:
        assert wait_for(lambda: bool(sent), TIMEOUT_SECONDS)
        # A batch takes at most a third of the lease.
        limits = ("--lease_seconds", "10", "--max_seconds", "1")
        assert drain(published, tmp_path / "out", *limits).code == 0
        assert message_ids(tmp_path / "out")
    assert drain(published, tmp_path / "out").code == 0
    assert wait_for(lambda: not server.count_available(published.subscription), TIMEOUT_SECONDS)
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


def test_nothing_is_pulled_if_the_output_cannot_be_written(
    server: Server, published: Published, tmp_path: Path
) -> None:
    server.publish(published.topic, envelopes(10, 1))
    (tmp_path / "file").touch()
    said = drain(published, tmp_path / "file" / "out")
    assert said.code == 5
    assert str(tmp_path / "file" / "out") in said.err
    assert server.count_available(published.subscription) == 10


def test_a_commit_that_fails_is_completed_and_acknowledged_by_the_next_drain(
    server: Server, published: Published, tmp_path: Path
) -> None:
    sent = server.publish(published.topic, envelopes(100, 1))
    output = tmp_path / "out"
    output.mkdir()
    (output / "job_status").touch()
    said = drain(published, output, "--retry_seconds", "1")
    assert said.code == 5, said.err
    assert "Traceback" not in said.err
    assert all(path.name.endswith(".pending.json") for path in (output / "_manifest").iterdir())
    (output / "job_status").unlink()
    assert drain(published, output).code == 0
    assert sorted(message_ids(output)) == sorted(sent)
    assert server.count_available(published.subscription) == 0


def test_a_drain_waits_for_a_server_that_goes_away(place: Place) -> None:
    sent = place.server.publish(place.published.topic, envelopes(20_000, 1))
    proxy = Proxy(place.server.address)
    gate = Gate(str(place.directory), r"open \S+/_staging/\S+\.avro")
    job = place.start(DRAIN, gate=gate, address=proxy.address)
    job.wait_until_held()
    proxy.disconnect()
    gate.open()
    # Longer than the idle time after which a drain of an empty subscription ends.
    time.sleep(2)
    assert job.is_running, place.log()
    proxy.connect()
    assert job.wait(TIMEOUT_SECONDS) == 0, place.log()
    proxy.disconnect()
    assert len(message_ids(place.output)) == len(set(message_ids(place.output)))
    # Messages that the broken connections lost stay leased for ten seconds.
    pulled = place.pull_the_rest(sent, TIMEOUT_SECONDS)
    assert not pulled & set(message_ids(place.output))


@pytest.mark.parametrize("directory", ["job_status", "_staging"], ids=["commit", "staging"])
def test_a_drain_goes_on_after_a_fault_of_the_storage(directory: str, place: Place) -> None:
    sent = place.server.publish(place.published.topic, envelopes(100, 1))
    gate = Gate(str(place.directory), r"os.mkdir \S+/_staging/\S+-0000")
    job = place.start(DRAIN, gate=gate)
    job.wait_until_held()
    shutil.rmtree(place.output / "_staging")
    (place.output / directory).touch()
    gate.open()
    assert wait_for(lambda: "trying again" in place.log(), TIMEOUT_SECONDS)
    (place.output / directory).unlink()
    assert job.wait(TIMEOUT_SECONDS) == 0, place.log()
    assert sorted(message_ids(place.output)) == sorted(sent)
    assert place.report()["read"] == 100
    assert left_over(place.output) == []


def test_what_cannot_be_staged_is_given_back_at_once(place: Place) -> None:
    sent = place.server.publish(place.published.topic, envelopes(100, 1))
    gate = Gate(str(place.directory), r"os.mkdir \S+/_staging/\S+-0000")
    job = place.start([*DRAIN, "--retry_seconds", "1"], gate=gate)
    job.wait_until_held()
    shutil.rmtree(place.output / "_staging")
    (place.output / "_staging").touch()
    gate.open()
    assert job.wait(TIMEOUT_SECONDS) == 5, place.log()
    assert place.server.count_available(place.published.subscription) == len(sent)


def test_a_drain_stays_the_owner_of_its_staging_after_a_fault(place: Place) -> None:
    sent = place.server.publish(place.published.topic, envelopes(100, 1))
    gate = Gate(str(place.directory), r"os.mkdir \S+/_staging/\S+-0000")
    job = place.start(DRAIN, gate=gate)
    job.wait_until_held()
    (owner,) = place.output.glob("_staging/*/owner-*")
    in_the_way = owner.parent.with_name(f"{owner.parent.name}-0000")
    in_the_way.touch()
    gate.open()
    assert wait_for(lambda: "trying again" in place.log(), TIMEOUT_SECONDS)
    assert owner.exists()
    in_the_way.unlink()
    assert job.wait(TIMEOUT_SECONDS) == 0, place.log()
    assert sorted(message_ids(place.output)) == sorted(sent)
    assert left_over(place.output) == []
