"""Measures readers of a Pub/Sub backlog: rows per second, and lost rows.

    python -m benchmarks.pubsub --events 10000

Each reader gets the same events from a server on this machine, with one event per message and with
a hundred. It is measured from its start until the last row is visible in its output, or until no
new row was visible for a long time. Its time for a single message (the shorter of two runs) is its
start-up, which is subtracted. The server is the emulator of the tests, or the one that
PUBSUB_EMULATOR_HOST names.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare import ROOT
from tests.components import HOW_TO_GET_THEM, component_path
from tests.pubsub import Server, is_available, running_server
from tests.streaming.traffic import envelopes, page_of

WINDOW_SECONDS = 2
_TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.05
_DRAIN = ("--drain", "--idle_seconds", "2")


@dataclass(frozen=True)
class Reader:
    """A program that reads messages.

    Attributes:
        title: Its name in the table.
        command: Returns the interpreter's arguments for a subscription and a directory.
        rows: Counts the rows that are visible in a directory.
    """

    title: str
    command: Callable[[str, str], Sequence[str]]
    rows: Callable[[Path], int]


@dataclass(frozen=True)
class Result:
    """The result of a reader.

    Attributes:
        seconds: Time from its start to its last visible row.
        rows: Number of rows that are visible at the end.
    """

    seconds: float
    rows: int


def _job_status(*arguments: str) -> Callable[[str, str], Sequence[str]]:
    def command(subscription: str, directory: str) -> Sequence[str]:
        run = "import sys; from pipeline.cli import main; sys.exit(main())"
        source = ("run", "--input_subscription", subscription, "--output", directory)
        return "-c", run, *source, *arguments

    return command


def _beam(kind: str) -> Callable[[str, str], Sequence[str]]:
    def command(subscription: str, directory: str) -> Sequence[str]:
        seconds = str(WINDOW_SECONDS)
        return "-m", "benchmarks.stock_pubsub", subscription, directory, seconds, kind

    return command


def _committed(directory: Path) -> int:
    paths = [path for path in directory.glob("_manifest/*.json") if path.name.count(".") == 1]
    return sum(json.loads(path.read_bytes())["written"] for path in paths)


def _lines(directory: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in directory.glob("*") if path.is_file())


def readers() -> list[Reader]:
    """Returns all readers of this machine; Beam's own runs on the BundleBasedDirectRunner."""
    found = [Reader("job-status --drain, FnApiRunner", _job_status(*_DRAIN), _committed)]
    if prism := component_path("prism"):
        streaming = ("--streaming", "--window_seconds", str(WINDOW_SECONDS))
        command = _job_status(*streaming, f"--prism_location={prism}")
        found.append(Reader("job-status --streaming, Prism", command, _committed))
    return [
        *found,
        Reader("ReadFromPubSub, WriteToFiles by windows", _beam("windows"), _lines),
        Reader("ReadFromPubSub, WriteToFiles by the clock", _beam("clock"), _lines),
    ]


def messages_of(lines: Sequence[bytes], events_a_message: int) -> list[bytes]:
    """Returns envelopes as messages: one per message, or as pages of several events."""
    if events_a_message == 1:
        return list(lines)
    starts = range(0, len(lines), events_a_message)
    return [page_of(lines[start : start + events_a_message]) for start in starts]


def measured(reader: Reader, server: Server, messages: Sequence[bytes], events: int) -> Result:
    """Publishes a backlog, and runs a reader until all rows are visible or no new row is."""
    published = server.create()
    server.publish(published.topic, messages)
    with tempfile.TemporaryDirectory(prefix="job-status-pubsub-") as work:
        directory = Path(work, "out")
        directory.mkdir()
        started = last = time.monotonic()
        rows = 0
        command = reader.command(published.subscription, str(directory))
        with _running([sys.executable, *command], server.address):
            while rows < events and time.monotonic() - last < _TIMEOUT_SECONDS:
                time.sleep(_POLL_SECONDS)
                if (now := reader.rows(directory)) != rows:
                    rows, last = now, time.monotonic()
        return Result(last - started, reader.rows(directory))


@contextmanager
def _running(command: Sequence[str], address: str) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PUBSUB_EMULATOR_HOST": address},
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all readers and prints the table. Returns 2 if there is no server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pubsub", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=10_000, help="number of events (default: 10000)"
    )
    options = parser.parse_args(arguments)
    if not is_available():
        print(f"there is no Pub/Sub server here: {HOW_TO_GET_THEM}", file=sys.stderr)
        return 2
    lines = envelopes(options.events, 1)
    print("| reader | events per message | rows in | rows out | lost | seconds | rows per second |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with running_server() as server:
        for reader in readers():
            startup = min(measured(reader, server, lines[:1], 1).seconds for _ in range(2))
            for size in (1, 100):
                result = measured(reader, server, messages_of(lines, size), len(lines))
                seconds = max(result.seconds - startup, 0.0)
                speed = f"{result.rows / seconds:,.0f}" if seconds and result.rows else "-"
                print(
                    f"| {reader.title} | {size} | {len(lines):,} | {result.rows:,} "
                    f"| {len(lines) - result.rows:,} | {seconds:.1f} + {startup:.1f} | {speed} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
