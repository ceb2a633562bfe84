"""A drain takes as much memory for a long backlog as for a short one."""

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

MOST = 1.3
_DISTINCT = 20_000


def peak_bytes(job: Job) -> int:
    """Returns the most memory that a process held so far, in bytes."""
    status = Path(f"/proc/{job.process.pid}/status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) << 10


def drained(server: Server, directory: Path, events: int) -> int:
    """Drains so many events; returns the most memory that it took, in bytes."""
    place = Place(server, server.create(), directory)
    lines = envelopes(min(events, _DISTINCT), 1)
    for _ in range(events // len(lines)):
        server.publish(place.published.topic, lines)
    # Once it has ended, nothing says any more what it held.
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
    """How many messages the long backlog is of."""
    # The option is only known where these tests are asked for by name.
    return int(request.config.getoption("--backlog", None) or 40_000)


def test_a_long_backlog_takes_no_more_memory_than_a_short_one(
    server: Server, tmp_path_factory: pytest.TempPathFactory, backlog: int
) -> None:
    short = drained(server, tmp_path_factory.mktemp("short"), backlog // 5)
    long = drained(server, tmp_path_factory.mktemp("long"), backlog)
    print(f"{backlog // 5:,} messages: {short / 1e6:.0f} MB; {backlog:,}: {long / 1e6:.0f} MB")
    assert long <= MOST * short
