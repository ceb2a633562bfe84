"""Every event of twenty thousand messages is in an output once, with each way to read them.

A run over a file with the same events gives the expected results. The server sets the publish time,
so the backlog is new; nothing depends on that time. `tests/transforms/write/test_write_panes.py`
shows that windows over an older backlog lose nothing.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Records, records_of
from tests.kills.command import left_over
from tests.pipeline.command import job_status, run
from tests.pubsub import Server
from tests.streaming.command import (
    DRAIN,
    TIMEOUT_SECONDS,
    Place,
    on_prism,
    streaming,
)
from tests.streaming.traffic import traffic

pytestmark = pytest.mark.needs("pubsub_emulator")

MESSAGES = 20_000
LEASE_SECONDS = 15
WAYS: dict[str, Callable[[], tuple[str, ...]]] = {
    "drain": lambda: DRAIN,
    "drain on Prism": lambda: (*DRAIN, *on_prism()),
    "stream": streaming,
}


@dataclass(frozen=True)
class Results:
    """The results of a run.

    Attributes:
        report: Its report.
        written: Its records.
        dead: Its dead letters.
    """

    report: dict[str, Any]
    written: Records
    dead: Records

    @staticmethod
    def read(directory: Path) -> Results:
        """Reads the results from a directory."""
        report = json.loads((directory / "report.json").read_bytes())
        output = directory / "out"
        return Results(report, records_of(output), records_of(output, "dead_letter"))

    def events(self) -> Counter[str]:
        """Returns how often each event occurs, by its id."""
        return Counter(record["event_id"] for record in self.written)

    def bad(self) -> Counter[tuple[str, str]]:
        """Returns how often each payload is a dead letter, by error code and digest."""
        return Counter((each["error_code"], each["payload_sha256"]) for each in self.dead)


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        place: Its subscription and directory.
        results: Its results.
        code: Its exit code.
        ended: When it ended, on the monotonic clock.
        is_gone: Whether all its processes ended soon after.
    """

    place: Place
    results: Results
    code: int
    ended: float
    is_gone: bool


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run over a file of the same events, each with its context in the text."""
    directory = tmp_path_factory.mktemp("file")
    lines = [each.line + b"\n" for each in traffic(MESSAGES) if each.line is not None]
    (directory / "in.jsonl").write_bytes(b"".join(lines))
    report = directory / "report.json"
    said = run("--input", directory / "in.jsonl", "--output", directory / "out", "--report", report)
    assert said.code == 0, said.err
    return Results.read(directory)


@pytest.fixture(scope="session")
def finish(
    server: Server, expected: Results, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Finished]:
    """Reads all messages in one of the ways; runs once for each way."""

    @cache
    def finish(way: str) -> Finished:
        place = Place(server, server.create(), tmp_path_factory.mktemp("messages"))
        sent = [(each.payload, each.attributes) for each in traffic(MESSAGES)]
        server.publish_each(place.published.topic, sent)
        job = place.start([*WAYS[way](), "--lease_seconds", str(LEASE_SECONDS)])
        if way == "stream":
            place.wait_until_read(expected.report["read"], job)
            job.process.send_signal(signal.SIGTERM)
        code = job.wait(TIMEOUT_SECONDS)
        ended = time.monotonic()
        is_gone = job.seconds_until_gone(60) is not None
        return Finished(place, Results.read(place.directory), code, ended, is_gone)

    return finish


EVERY_WAY = [
    "drain",
    pytest.param("drain on Prism", marks=pytest.mark.needs("prism")),
    pytest.param("stream", marks=pytest.mark.needs("prism")),
]


# With module scope, all tests of a way run one after the other, in one process.
@pytest.fixture(scope="module", params=EVERY_WAY)
def finished(request: pytest.FixtureRequest, finish: Callable[[str], Finished]) -> Finished:
    """A command that has read all messages; a stream was then ended by SIGTERM."""
    return finish(request.param)


def test_the_command_ends_and_leaves_no_process_and_no_staged_file(finished: Finished) -> None:
    is_stopped = "stopped; what was pulled is committed" in finished.place.log()
    assert finished.code == (128 + signal.SIGTERM if is_stopped else 0), finished.place.log()
    assert finished.is_gone
    assert left_over(finished.place.output) == []


def test_each_event_is_written_as_often_as_it_was_sent(
    finished: Finished, expected: Results
) -> None:
    assert finished.results.events() == expected.events()


def test_every_bad_payload_is_a_dead_letter(finished: Finished, expected: Results) -> None:
    assert finished.results.bad() == expected.bad()
    assert len(finished.results.dead) > MESSAGES // 100


def test_no_message_has_a_row_twice(finished: Finished) -> None:
    results = finished.results
    rows = [
        (row["message_id"], row["source_offset"], row.get("error_path"))
        for row in [*results.written, *results.dead]
    ]
    assert len(set(rows)) == len(rows)


def test_the_report_has_the_counts_of_the_run_over_the_file(
    finished: Finished, expected: Results
) -> None:
    report = finished.results.report
    assert report["conserved"]
    compared = ("read", "written", "dead_lettered", "ignored", "ignored_by_type", "by_value")
    for key in (*compared, "by_error_code", "by_derivation", "by_source_value_type", "unmapped"):
        assert report[key] == expected.report[key], key


def test_the_counts_of_the_manifests_add_up_to_the_rows(finished: Finished) -> None:
    manifests = finished.place.manifests()
    assert sum(each["written"] for each in manifests) == len(finished.results.written)
    assert sum(each["dead_lettered"] for each in manifests) == len(finished.results.dead)
    assert job_status("inspect", finished.place.output).code == 0


def test_statuses_and_context_equal_those_of_the_run_over_the_file(
    finished: Finished, expected: Results
) -> None:
    fields = ("event_id", "event_type", "provider", "account_id", "project_id", "job_status")

    def values(results: Results) -> list[str]:
        return sorted(json.dumps([record[name] for name in fields]) for record in results.written)

    assert values(finished.results) == values(expected)


def test_each_row_has_its_subscription_message_id_and_publish_time(finished: Finished) -> None:
    name = finished.place.published.subscription
    for row in (*finished.results.written, *finished.results.dead):
        assert row["source"] == name and row["message_id"] and row["publish_time"]


# After all others, when the leases of the first ways have ended.
@pytest.mark.parametrize("way", EVERY_WAY)
def test_no_message_is_delivered_again_after_the_leases(
    way: str, finish: Callable[[str], Finished]
) -> None:
    finished = finish(way)
    assert not finished.place.pull_at(finished.ended + LEASE_SECONDS + 1)
