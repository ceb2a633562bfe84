"""Every event of twenty thousand messages is in an output once, whatever reads them.

What has to be found is told by a run over a file that says the same. The backlog is as old as the
test: when a message was published is for the server to say. Nothing goes by that time; that windows
over an older backlog lose nothing is shown in `tests/transforms/write/test_write_panes.py`.
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
    SECONDS_TO_COME,
    Place,
    on_prism,
    streaming,
)
from tests.streaming.traffic import traffic

pytestmark = pytest.mark.needs("pubsub_emulator")

MESSAGES = 20_000
LEASE_SECONDS = 20
WAYS: dict[str, Callable[[], tuple[str, ...]]] = {
    "drain": lambda: DRAIN,
    "drain on Prism": lambda: (*DRAIN, *on_prism()),
    "stream": streaming,
}


@dataclass(frozen=True)
class Found:
    """What a run found.

    Attributes:
        report: Its report.
        written: Its records.
        dead: Its dead letters.
    """

    report: dict[str, Any]
    written: Records
    dead: Records

    @staticmethod
    def at(directory: Path) -> Found:
        """Reads what lies in a directory."""
        report = json.loads((directory / "report.json").read_bytes())
        output = directory / "out"
        return Found(report, records_of(output), records_of(output, "dead_letter"))

    def events(self) -> Counter[str]:
        """How often each event is there, by its id."""
        return Counter(record["event_id"] for record in self.written)

    def bad(self) -> Counter[tuple[str, str]]:
        """How often each payload is a dead letter, by its error code and digest."""
        return Counter((each["error_code"], each["payload_sha256"]) for each in self.dead)


@dataclass(frozen=True)
class Finished:
    """A command that came to its end.

    Attributes:
        place: Where it read and wrote.
        found: What it found.
        code: Its exit code.
        ended: When, on the monotonic clock.
        is_gone: Whether all processes of it had ended soon after.
    """

    place: Place
    found: Found
    code: int
    ended: float
    is_gone: bool


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A run over a file of the same events, each with its context in its text."""
    directory = tmp_path_factory.mktemp("file")
    lines = [each.line + b"\n" for each in traffic(MESSAGES) if each.line is not None]
    (directory / "in.jsonl").write_bytes(b"".join(lines))
    report = directory / "report.json"
    said = run("--input", directory / "in.jsonl", "--output", directory / "out", "--report", report)
    assert said.code == 0, said.err
    return Found.at(directory)


@pytest.fixture(scope="session")
def finish(
    server: Server, expected: Found, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Finished]:
    """Reads all messages in one of the ways, the first time it is asked for."""

    @cache
    def finish(way: str) -> Finished:
        place = Place(server, server.create(), tmp_path_factory.mktemp("messages"))
        sent = [(each.payload, each.attributes) for each in traffic(MESSAGES)]
        server.publish_each(place.published.topic, sent)
        job = place.start([*WAYS[way](), "--lease_seconds", str(LEASE_SECONDS)])
        if way == "stream":
            place.wait_until_read(expected.report["read"], job)
            job.process.send_signal(signal.SIGTERM)
        code = job.wait(SECONDS_TO_COME)
        ended = time.monotonic()
        is_gone = job.seconds_until_gone(60) is not None
        return Finished(place, Found.at(place.directory), code, ended, is_gone)

    return finish


EVERY_WAY = [
    "drain",
    pytest.param("drain on Prism", marks=pytest.mark.needs("prism")),
    pytest.param("stream", marks=pytest.mark.needs("prism")),
]


# Of the module, so that all tests of a way come one after the other, in one process.
@pytest.fixture(scope="module", params=EVERY_WAY)
def finished(request: pytest.FixtureRequest, finish: Callable[[str], Finished]) -> Finished:
    """A command that has read all messages; a stream was ended by SIGTERM then."""
    return finish(request.param)


def test_the_command_ends_well_and_wholly(finished: Finished) -> None:
    is_stopped = "stopped; what was pulled is committed" in finished.place.log()
    assert finished.code == (128 + signal.SIGTERM if is_stopped else 0), finished.place.log()
    assert finished.is_gone
    assert left_over(finished.place.output) == []


def test_every_event_is_there_as_often_as_it_was_sent(finished: Finished, expected: Found) -> None:
    assert finished.found.events() == expected.events()


def test_every_bad_payload_is_a_dead_letter(finished: Finished, expected: Found) -> None:
    assert finished.found.bad() == expected.bad()
    assert len(finished.found.dead) > MESSAGES // 100


def test_no_message_made_a_row_twice(finished: Finished) -> None:
    found = finished.found
    rows = [
        (row["message_id"], row["source_offset"], row.get("error_path"))
        for row in [*found.written, *found.dead]
    ]
    assert len(set(rows)) == len(rows)


def test_the_report_counts_the_same_as_that_of_the_file(
    finished: Finished, expected: Found
) -> None:
    report = finished.found.report
    assert report["conserved"]
    compared = ("read", "written", "dead_lettered", "ignored", "ignored_by_type", "by_value")
    for key in (*compared, "by_error_code", "by_derivation", "by_source_value_type", "unmapped"):
        assert report[key] == expected.report[key], key


def test_manifests_add_up_to_what_readers_count(finished: Finished) -> None:
    manifests = finished.place.manifests()
    assert sum(each["written"] for each in manifests) == len(finished.found.written)
    assert sum(each["dead_lettered"] for each in manifests) == len(finished.found.dead)
    assert job_status("inspect", finished.place.output).code == 0


def test_statuses_and_context_are_those_of_the_file(finished: Finished, expected: Found) -> None:
    fields = ("event_id", "event_type", "provider", "account_id", "project_id", "job_status")

    def told(found: Found) -> list[str]:
        return sorted(json.dumps([record[name] for name in fields]) for record in found.written)

    assert told(finished.found) == told(expected)


def test_a_row_says_where_it_came_from(finished: Finished) -> None:
    name = finished.place.published.subscription
    for row in (*finished.found.written, *finished.found.dead):
        assert row["source"] == name and row["message_id"] and row["publish_time"]


# Behind all others: by then the leases of the first are over.
@pytest.mark.parametrize("way", EVERY_WAY)
def test_nothing_comes_again_when_the_leases_are_over(
    way: str, finish: Callable[[str], Finished]
) -> None:
    finished = finish(way)
    assert not finished.place.pull_until(finished.ended + LEASE_SECONDS + 1)
