"""A stream, a drain and a batch on Prism run for longer than Prism's time limit for a job.

By default the tests lower the limit to seconds. With `--minutes N` it is Beam's own, 300 s, and
each test runs for at least N minutes.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import records_of
from tests.kills.command import Job, left_over
from tests.kills.gate import Gate
from tests.streaming.command import TIMEOUT_SECONDS, Place, on_prism, streaming
from tests.streaming.traffic import envelopes

pytestmark = [
    pytest.mark.needs("pubsub_emulator"),
    pytest.mark.needs("prism"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc"),
]

MAX_GROWTH = 1.3
"""The growth of the memory of all processes from the second quarter of a soak to the last."""

_MESSAGES, _EVERY_SECONDS = 20, 0.4
_BATCH = 20_000

Record = Callable[[str, object], None]
"""Adds a figure to the summary of the tests."""


class Soak(NamedTuple):
    """The duration of a test, and the time limit of Prism.

    Attributes:
        seconds: The duration.
        options: The options that set the limit.
    """

    seconds: float
    options: tuple[str, ...]


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> Soak:
    """Minutes with Beam's own limit if requested, else seconds with a low limit."""
    # The option exists only if this folder is named on the command line.
    minutes = request.config.getoption("--minutes", None)
    return Soak(minutes * 60, ()) if minutes else Soak(10, ("--job_server_timeout=5",))


def memory_of(job: Job) -> int:
    """Returns the memory of all processes of a run in bytes, including Prism."""
    total = 0
    for process in job.processes():
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        found = [line for line in status.splitlines() if line.startswith("VmRSS")]
        total += int(found[0].split()[1]) << 10 if found else 0
    return total


def watch_for(seconds: float, job: Job, meanwhile: Callable[[], object] = int) -> list[int]:
    """Calls a function repeatedly during a run; returns the memory over time, in bytes."""
    memory: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert job.is_running, job.log.read_text()
        meanwhile()
        memory.append(memory_of(job))
        time.sleep(_EVERY_SECONDS)
    return memory


def publish_for(seconds: float, place: Place, job: Job) -> tuple[list[str], list[int]]:
    """Publishes steadily; returns the message ids and the memory over time, in bytes."""
    sent: list[str] = []

    def publish() -> None:
        sent.extend(place.server.publish(place.published.topic, envelopes(_MESSAGES, 1)))

    memory = watch_for(seconds, job, publish)
    return sent, memory


def assert_memory_is_flat(memory: list[int], record: Record) -> None:
    """Compares the last quarter with the second, when everything is loaded."""
    quarter = len(memory) // 4
    early, late = max(memory[quarter : 2 * quarter]), max(memory[-quarter:])
    record("peak memory", f"{early / 1e6:.0f} MB in the second quarter, {late / 1e6:.0f} MB last")
    assert late <= MAX_GROWTH * early


def assert_each_is_there_once(sent: list[str], place: Place, record: Record) -> None:
    """Asserts that each message is in an output once."""
    rows = Counter(row["message_id"] for row in place.rows())
    commits = len(place.manifests())
    record("messages", f"{len(sent)} sent, {rows.total()} rows in {commits} commits")
    assert set(rows) == set(sent)
    assert rows.total() == len(sent)


def test_soak_of_a_stream(soak: Soak, place: Place, record_property: Record) -> None:
    job = place.start(streaming(*soak.options))
    # Prism has the job when the first message is read, and its time limit runs.
    first = place.server.publish(place.published.topic, envelopes(1, 2))
    place.wait_until_read(1, job)
    sent, memory = publish_for(soak.seconds, place, job)
    place.wait_until_read(len(first) + len(sent), job)
    job.process.send_signal(signal.SIGTERM)
    assert job.wait(TIMEOUT_SECONDS) == 128 + signal.SIGTERM, place.log()
    assert_each_is_there_once(first + sent, place, record_property)
    assert left_over(place.output) == []
    assert_memory_is_flat(memory, record_property)


def test_soak_of_a_drain(soak: Soak, place: Place, record_property: Record) -> None:
    first = place.server.publish(place.published.topic, envelopes(1, 2))
    # While messages of the backlog arrive, a batch takes a third of the lease.
    seconds = str(soak.seconds + 15)
    limits = ("--idle_seconds", seconds, "--max_seconds", seconds)
    job = place.start(["--drain", *limits, *on_prism(), *soak.options])
    sent, memory = publish_for(soak.seconds, place, job)
    assert job.wait(TIMEOUT_SECONDS) == 0, place.log()
    assert_each_is_there_once(first + sent, place, record_property)
    assert_memory_is_flat(memory, record_property)


def test_soak_of_a_batch(soak: Soak, tmp_path: Path, record_property: Record) -> None:
    lines = envelopes(_BATCH, 1)
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines))
    output = tmp_path / "out"
    arguments = ["run", "--input", str(tmp_path / "events.jsonl"), "--output", str(output)]
    # The gate makes the bundle last as long as a very large one.
    gate = Gate(str(tmp_path), r"os\.rename \S+/_staging/\S+\.avro")
    job = Job([*arguments, *on_prism(), *soak.options], tmp_path / "log", gate=gate)
    job.wait_until_held()
    memory = watch_for(soak.seconds, job)
    gate.open()
    assert job.wait(TIMEOUT_SECONDS) == 0, job.log.read_text()
    rows = len(records_of(output))
    record_property("events", f"{len(lines)} read, {rows} rows")
    assert rows == len(lines)
    assert left_over(output) == []
    assert_memory_is_flat(memory, record_property)
