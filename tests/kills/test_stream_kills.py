"""A stream that is killed repeatedly loses no message, and shows only complete files."""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import records_of
from tests.kills.command import Job, Watcher, left_over
from tests.pipeline.command import run
from tests.pubsub import Server, wait_for
from tests.streaming.command import TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [
    pytest.mark.needs("pubsub_emulator"),
    pytest.mark.needs("prism"),
    pytest.mark.skipif(
        not Path("/proc/self/environ").exists(), reason="finds processes by their environment"
    ),
]

SHORT = 3
SECONDS_TO_GO = 60  # without its launcher the Prism process ends after ten idle seconds
WAVE = 200

MOMENTS = (("_staging/*/*.avro", 4.0), ("_manifest/*.pending.json", 0.8))
"""A kill hits at most this many seconds after a new file: at any moment, or in a commit. With the
option --in_commits all of them hit a commit."""


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """The number of kills."""
    return int(request.config.getoption("--kills", None) or SHORT)


@contextmanager
def publishing(place: Place) -> Iterator[dict[str, bytes]]:
    """Publishes steadily; gives the payloads by the ids of their messages."""
    sent: dict[str, bytes] = {}
    stop = threading.Event()
    lines = envelopes(20_000, 1)
    starts = itertools.cycle(range(0, len(lines), WAVE))

    def publish() -> None:
        while not stop.wait(0.5):
            wave = lines[next(starts) :][:WAVE]
            ids = place.server.publish(place.published.topic, wave)
            sent.update(zip(ids, wave, strict=True))

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def kill(job: Job, number: int) -> None:
    """Kills the command, its Prism process, or both; returns when both have ended."""
    launcher = {job.process.pid}
    prism = set(job.processes()) - launcher
    assert prism
    for pid in (launcher | prism, prism, launcher)[number % 3]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    code = job.wait(TIMEOUT_SECONDS)
    assert code == (1 if number % 3 == 1 else -signal.SIGKILL)
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> tuple[tuple[str, float], ...]:
    """The moments of the kills, in turns."""
    return MOMENTS[1:] if request.config.getoption("--in_commits", None) else MOMENTS


def test_a_stream_that_is_killed_at_any_moment_loses_no_message(
    kills: int, moments: tuple[tuple[str, float], ...], server: Server, tmp_path: Path
) -> None:
    place = Place(server, server.create(), tmp_path)
    # Slow commits, so that many of the kills hit one.
    arguments = streaming("--lease_seconds", "10", "--target_file_bytes", "1")
    watcher = Watcher(place.output)
    with watcher.watching():
        with publishing(place) as sent:
            for number in range(kills):
                pattern, longest = moments[number % len(moments)]
                before = set(place.output.glob(pattern))
                job = place.start(arguments, slowed=True)
                place.wait_for_new(pattern, job, before)
                time.sleep(random.Random(number).uniform(0, longest))
                assert job.is_running, place.log()
                kill(job, number)
        job = place.start(arguments)
        assert wait_for(lambda: place.message_ids() >= set(sent), TIMEOUT_SECONDS), place.log()
        job.process.send_signal(signal.SIGTERM)
        assert job.wait(TIMEOUT_SECONDS) == 128 + signal.SIGTERM, place.log()
    rows = Counter(row["message_id"] for row in place.rows())
    print(
        f"{kills} kills: {len(sent):,} events, {len(sent) - len(rows):,} lost, "
        f"{rows.total() - len(rows):,} of {rows.total():,} rows are duplicates; "
        f"{len(place.manifests()):,} commits, {len(watcher.files):,} files were checked"
    )
    assert set(rows) == set(sent)
    assert event_ids(place.output) == event_ids_of(sent, tmp_path / "file")
    assert watcher.partial == []
    assert left_over(place.output) == []


def event_ids(output: Path) -> set[str]:
    """Returns the event ids of an output."""
    return {record["event_id"] for record in records_of(output)}


def event_ids_of(sent: dict[str, bytes], directory: Path) -> set[str]:
    """Returns the event ids that a run over a file finds in the same payloads."""
    directory.mkdir()
    (directory / "in.jsonl").write_bytes(b"".join(line + b"\n" for line in sent.values()))
    said = run("--input", directory / "in.jsonl", "--output", directory / "out")
    assert said.code == 0, said.err
    return event_ids(directory / "out")
