"""A drain takes as much memory for a long backlog as for a short one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.kills.command import Job
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
    """Runs a command to its end; the most memory it held, in bytes."""
    status = Path(f"/proc/{job.process.pid}/status")
    peak = 0
    while job.is_running:
        # It only grows, so that the last look is all that counts.
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        peak = int(found[0].split()[1]) << 10 if found else peak
        time.sleep(0.02)
    return peak


def drained(server: Server, directory: Path, events: int) -> int:
    """Drains so many events; returns the most memory that it took, in bytes."""
    place = Place(server, server.create(), directory)
    lines = envelopes(min(events, _DISTINCT), 1)
    for _ in range(events // len(lines)):
        server.publish(place.published.topic, lines)
    job = place.start([*DRAIN, "--lease_seconds", "600"])
    peak = peak_bytes(job)
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
