"""Measures a stream under steady traffic: lost messages, memory, and the time to the commit.

    python -m benchmarks.stream --minutes 10 --rate 500

Publishes one event a message to a server on this machine, which holds empty pulls as the service
does. The time of a message is from its publishing to the moment when the manifest of its commit is
visible. The server is the emulator of the tests, or the one that PUBSUB_EMULATOR_HOST names.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import fastavro

from tests.kills.command import Job
from tests.pubsub import running_server
from tests.streaming.command import Place, streaming
from tests.streaming.proxy import fault_proxy
from tests.streaming.test_soak import memory_of
from tests.streaming.traffic import envelopes

WINDOW_SECONDS = 2
_EVERY_SECONDS = 0.2
_WAIT_SECONDS = 60


@dataclass
class Measured:
    """The measured figures.

    Attributes:
        sent: The number of published messages.
        seconds: The seconds from publishing to the commit of each row, by message id.
        rows: The number of rows.
        commits: The number of commits.
        memory: The memory of all processes over time, in bytes.
    """

    sent: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    commits: int = 0
    memory: list[int] = field(default_factory=list)

    def text(self) -> str:
        """Returns the figures as lines."""
        seconds = sorted(self.seconds.values())
        quarter = len(self.memory) // 4
        early, late = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        p50, p99 = (seconds[int(share * len(seconds))] for share in (0.5, 0.99))
        return (
            f"{self.sent:,} messages sent, {self.sent - len(seconds):,} lost, "
            f"{self.rows - len(seconds):,} duplicates, {self.commits:,} commits\n"
            f"publish to commit: mean {sum(seconds) / len(seconds):.1f} s, "
            f"p50 {p50:.1f} s, p99 {p99:.1f} s, at most {seconds[-1]:.1f} s\n"
            f"memory: {max(early) / 1e6:.0f} MB in the second quarter, "
            f"{max(late) / 1e6:.0f} MB in the last"
        )


class _Output:
    """Reads the new commits of an output."""

    def __init__(self, output: Path, measured: Measured) -> None:
        self._output = output
        self.measured = measured
        self._known: set[str] = set()

    def look(self) -> None:
        now = time.time()
        for path in (self._output / "_manifest").glob("*.json"):
            if path.name in self._known or path.name.count(".") > 1:
                continue
            self._known.add(path.name)
            self.measured.commits += 1
            for each in json.loads(path.read_bytes())["files"]:
                with (self._output / each["path"]).open("rb") as file:
                    for row in fastavro.reader(file):
                        assert isinstance(row, dict)
                        self.measured.rows += 1
                        seconds = now - row["publish_time"].timestamp()
                        self.measured.seconds.setdefault(row["message_id"], seconds)


@contextmanager
def _publishing(place: Place, rate: int, measured: Measured) -> Iterator[None]:
    stop = threading.Event()
    lines = envelopes(max(1, int(rate * _EVERY_SECONDS)), 1)

    def publish() -> None:
        due = time.monotonic()
        while not stop.is_set():
            place.server.publish(place.published.topic, lines)
            measured.sent += len(lines)
            due += _EVERY_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(minutes: float, rate: int) -> Measured:
    """Runs a stream for some minutes, with some messages a second."""
    measured = Measured()
    with (
        running_server() as server,
        fault_proxy(server.address) as proxy,
        tempfile.TemporaryDirectory(prefix="job-status-stream-") as work,
    ):
        place = Place(server, server.create(), Path(work))
        job = place.start(streaming(), address=proxy.address)
        output = _Output(place.output, measured)
        _wait_for_first(place, job)
        output.look()
        # The first message waited for the start of the runner.
        measured = output.measured = Measured()
        with _publishing(place, rate, measured):
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                measured.memory.append(memory_of(job))
                output.look()
                time.sleep(_EVERY_SECONDS)
        end = time.monotonic() + _WAIT_SECONDS
        while len(measured.seconds) < measured.sent and time.monotonic() < end:
            output.look()
            time.sleep(_EVERY_SECONDS)
        job.process.send_signal(signal.SIGTERM)
        job.wait()
    return measured


def _wait_for_first(place: Place, job: Job) -> None:
    place.server.publish(place.published.topic, envelopes(1, 2))
    place.wait_until_read(1, job)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=500, help="messages a second")
    options = parser.parse_args()
    print(measure(options.minutes, options.rate).text())


if __name__ == "__main__":
    main()
