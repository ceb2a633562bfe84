"""A stream and a drain behind a server that holds pulls, refuses calls, or answers late."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import fastavro
import grpc
import pytest

from tests.kills.command import Job, left_over
from tests.pubsub import Server, wait_for
from tests.streaming.command import DRAIN, TIMEOUT_SECONDS, Place, on_prism, streaming
from tests.streaming.proxy import Fault, FaultProxy, fault_proxy
from tests.streaming.test_soak import memory_of
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

WINDOW_SECONDS = 2
LATEST_SECONDS = 2 * WINDOW_SECONDS
STOP_SECONDS = 20.0
MAX_BYTES = 1_000_000_000


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy in front of the server."""
    with fault_proxy(server.address) as proxy:
        yield proxy


@contextmanager
def publishing(place: Place, seconds: float) -> Iterator[dict[str, float]]:
    """Publishes a message every few tenths of a second; gives the times of publishing by id."""
    sent: dict[str, float] = {}
    stop = threading.Event()
    lines = envelopes(100, 1)

    def publish() -> None:
        while not stop.wait(seconds):
            before = time.monotonic()
            (message_id,) = place.server.publish(place.published.topic, [lines[len(sent) % 100]])
            sent[message_id] = before

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


@dataclass
class Commits:
    """Watches an output.

    Attributes:
        seen: When the row of each message was first seen.
    """

    place: Place
    seen: dict[str, float] = field(default_factory=dict)
    _files: set[Path] = field(default_factory=set)

    def look(self) -> None:
        """Reads the new files."""
        for path in set((self.place.output / "job_status").glob("*.avro")) - self._files:
            self._files.add(path)
            with path.open("rb") as file:
                for row in fastavro.reader(file):
                    assert isinstance(row, dict)
                    self.seen.setdefault(row["message_id"], time.monotonic())

    def wait_for(self, sent: dict[str, float], job: Job) -> None:
        """Waits until all messages are committed."""

        def is_complete() -> bool:
            assert job.is_running, self.place.log()
            self.look()
            return set(sent) <= set(self.seen)

        assert wait_for(is_complete, TIMEOUT_SECONDS), self.place.log()


@dataclass
class Shift:
    """The outcome of a stream through several faults.

    Attributes:
        place: Its subscription and directory.
        seconds: The seconds from publishing to the commit, without faults.
        sent: The ids of all messages.
        survived: The faults after which everything was committed.
        code: Its exit code.
        stop_seconds: The time from SIGTERM to its end, while Pub/Sub is away.
        log: Its messages.
    """

    place: Place
    seconds: list[float]
    sent: set[str]
    survived: list[str]
    code: int
    stop_seconds: float
    log: str


@pytest.fixture(scope="module")
def shift(server: Server, proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory) -> Shift:
    """A stream with sparse messages, one fault after the other."""
    place = Place(server, server.create(), tmp_path_factory.mktemp("shift"))
    job = place.start(streaming(), address=proxy.address)
    commits, sent = Commits(place), {}
    survived: list[str] = []

    def publish_and_wait(count: int, seconds: float) -> dict[str, float]:
        with publishing(place, seconds) as published:
            while len(published) < count:
                commits.look()
                time.sleep(0.02)
        commits.wait_for(published, job)
        sent.update(published)
        return published

    publish_and_wait(1, 0.1)
    quiet = publish_and_wait(20, 0.7)
    seconds = sorted(commits.seen[each] - quiet[each] for each in quiet)

    refused = Fault(grpc.StatusCode.UNAUTHENTICATED)
    for method in ("Pull", "ModifyAckDeadline", "Acknowledge"):
        proxy.next(method, refused)
    publish_and_wait(3, 0.2)
    survived.append("refused calls")

    files = place.output / "job_status"
    files.rename(place.directory / "aside")
    files.touch()
    with publishing(place, 0.2) as published:
        assert wait_for(lambda: "trying again" in place.log() and len(published) > 3, 60)
        assert wait_for(lambda: str(files) in place.log(), 60), place.log()
    files.unlink()
    (place.directory / "aside").rename(files)
    commits.wait_for(published, job)
    sent.update(published)
    survived.append("storage")

    for method in ("Pull", "ModifyAckDeadline", "Acknowledge"):
        proxy.always(method, Fault(grpc.StatusCode.UNAVAILABLE))
    time.sleep(1)
    start = time.monotonic()
    job.process.send_signal(signal.SIGTERM)
    code = job.wait(TIMEOUT_SECONDS)
    stop_seconds = time.monotonic() - start
    for method in ("Pull", "ModifyAckDeadline", "Acknowledge"):
        proxy.always(method, None)
    return Shift(place, seconds, set(sent), survived, code, stop_seconds, place.log())


def test_sparse_messages_are_committed_within_seconds_although_pulls_are_held(
    shift: Shift,
) -> None:
    assert shift.seconds[int(0.95 * len(shift.seconds))] <= LATEST_SECONDS, shift.seconds


def test_a_stream_survives_refused_calls_and_faults_of_the_storage(shift: Shift) -> None:
    assert shift.survived == ["refused calls", "storage"]
    assert "Unauthenticated" in shift.log


def test_sigterm_ends_a_stream_within_seconds_while_pubsub_is_away(shift: Shift) -> None:
    assert shift.code == 128 + signal.SIGTERM, shift.log
    assert shift.stop_seconds < STOP_SECONDS
    assert left_over(shift.place.output) == []


def test_the_report_has_each_committed_row(shift: Shift) -> None:
    rows = Counter(row["message_id"] for row in shift.place.rows())
    assert set(rows) == shift.sent
    assert shift.place.report()["read"] == rows.total()


def test_what_was_pulled_is_committed_before_a_stream_ends_whose_subscription_is_deleted(
    place: Place, proxy: FaultProxy
) -> None:
    before = proxy.calls["ModifyAckDeadline"]
    arguments = ("--streaming", "--window_seconds", "60", *on_prism())
    job = place.start(arguments, address=proxy.address)
    sent = place.server.publish(place.published.topic, envelopes(50, 1))
    assert wait_for(lambda: proxy.calls["ModifyAckDeadline"] > before + 1, TIMEOUT_SECONDS)
    time.sleep(1)
    place.server.delete(place.published.subscription)
    assert job.wait(TIMEOUT_SECONDS) == 3, place.log()
    assert f"there is no subscription {place.published.subscription}" in place.log()
    assert place.message_ids() == set(sent)
    assert place.report()["read"] == 50


def test_a_stream_that_pubsub_does_not_answer_ends_in_order_after_its_retries(
    place: Place, proxy: FaultProxy
) -> None:
    before = proxy.calls["ModifyAckDeadline"]
    job = place.start(streaming("--retry_seconds", "1"), address=proxy.address)
    sent = place.server.publish(place.published.topic, envelopes(50, 1))
    assert wait_for(lambda: proxy.calls["ModifyAckDeadline"] > before, TIMEOUT_SECONDS)
    proxy.always("Pull", Fault(grpc.StatusCode.UNAVAILABLE))
    try:
        assert job.wait(TIMEOUT_SECONDS) == 3, place.log()
    finally:
        proxy.always("Pull", None)
    assert "Pub/Sub did not answer for 1 seconds" in place.log()
    committed = place.message_ids()
    assert committed and not place.pull_the_rest(sent, TIMEOUT_SECONDS) & committed


def test_large_messages_need_little_memory(server: Server, tmp_path: Path) -> None:
    place = Place(server, server.create(), tmp_path)
    payload = b"x" * 9_000_000
    job = place.start(streaming("--dead_letter_payload", "full", "--codec", "null"))
    peak = 0
    for _ in range(80):
        server.publish(place.published.topic, [payload])

    def is_read() -> bool:
        nonlocal peak
        assert job.is_running, place.log()
        peak = max(peak, memory_of(job))
        return sum(each["read"] for each in place.manifests()) >= 80

    assert wait_for(is_read, TIMEOUT_SECONDS), place.log()
    job.process.send_signal(signal.SIGTERM)
    assert job.wait(TIMEOUT_SECONDS) == 128 + signal.SIGTERM, place.log()
    print(f"80 messages of 9 MB: {peak / 1e6:.0f} MB")
    assert peak < MAX_BYTES


def test_a_drain_includes_the_messages_of_a_late_answer(place: Place, proxy: FaultProxy) -> None:
    sent = place.server.publish(place.published.topic, envelopes(3000, 1))
    proxy.always("Pull", Fault(seconds=3))
    try:
        job = place.start(DRAIN, address=proxy.address)
        assert job.wait(TIMEOUT_SECONDS) == 0, place.log()
    finally:
        proxy.always("Pull", None)
    assert place.message_ids() == set(sent)


@pytest.mark.parametrize("limit", [("--max_seconds", "2"), ()], ids=["max_seconds", "no limit"])
def test_a_drain_ends_under_steady_traffic(
    limit: tuple[str, ...], place: Place, proxy: FaultProxy
) -> None:
    backlog = place.server.publish(place.published.topic, envelopes(100, 1))
    with publishing(place, 0.4) as sent:
        start = time.monotonic()
        job = place.start([*DRAIN, *limit], address=proxy.address)
        assert job.wait(60) == 0, place.log()
        seconds = time.monotonic() - start
    print(f"{limit}: {seconds:.1f} s")
    assert set(backlog) <= place.message_ids()
    place.pull_the_rest([*backlog, *sent], TIMEOUT_SECONDS)
    assert seconds < 20
