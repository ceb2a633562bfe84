"""The memory of a drain does not grow with the backlog."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills.command import Job
from tests.kills.gate import Gate
from tests.pubsub import Server
from tests.streaming.command import DRAIN, Place
from tests.streaming.traffic import envelopes

pytestmark = [
    pytest.mark.needs("pubsub_emulator"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc"),
]

MAX_GROWTH = 1.3
_DISTINCT = 20_000


def peak_bytes(job: Job) -> int:
    """Returns the peak memory of a process, in bytes."""
    status = Path(f"/proc/{job.process.pid}/status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) << 10


def peak_of_drain(server: Server, directory: Path, events: int) -> int:
    """Drains that many events; returns the peak memory, in bytes."""
    place = Place(server, server.create(), directory)
    lines = envelopes(min(events, _DISTINCT), 1)
    for _ in range(events // len(lines)):
        server.publish(place.published.topic, lines)
    # The peak can only be read before the process ends.
    gate = Gate(str(directory), r"open \S+/report\.json")
    job = place.start([*DRAIN, "--lease_seconds", "600"], gate=gate)
    job.wait_until_held()
    peak = peak_bytes(job)
    gate.open()
    assert job.wait() == 0, place.log()
    assert place.report()["read"] == events
    return peak


@pytest.fixture
def backlog(request: pytest.FixtureRequest) -> int:
    """The number of messages of the long backlog."""
    # The option exists only if this folder is named on the command line.
    return int(request.config.getoption("--backlog", None) or 40_000)


def test_a_long_backlog_needs_no_more_memory_than_a_short_one(
    server: Server, tmp_path_factory: pytest.TempPathFactory, backlog: int
) -> None:
    short = peak_of_drain(server, tmp_path_factory.mktemp("short"), backlog // 5)
    long = peak_of_drain(server, tmp_path_factory.mktemp("long"), backlog)
    print(f"{backlog // 5:,} messages: {short / 1e6:.0f} MB; {backlog:,}: {long / 1e6:.0f} MB")
    assert long <= MAX_GROWTH * short
