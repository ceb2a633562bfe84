"""Measures ways to read a backlog from Pub/Sub: rows a second, and rows that never arrive.

    python -m benchmarks.pubsub --events 10000

Each way reads the same events from a server on this machine, one a message and a hundred a message.
It is measured from outside, from its start to the moment at which the last row is visible in its
output, and given up when no more has come for long. What a way takes for a single message (the
shorter of two times) is its start-up and taken off. The server is the emulator of the tests, or the
one that PUBSUB_EMULATOR_HOST names.
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
from tests.pubsub import Server, is_there, running_server
from tests.streaming.traffic import envelopes, page_of

WINDOW_SECONDS = 2
_GIVEN_UP_SECONDS = 30
_LOOK_SECONDS = 0.05
_DRAIN = ("--drain", "--idle_seconds", "2")


@dataclass(frozen=True)
class Way:
    """A way to read messages.

    Attributes:
        title: For the table.
        command: Makes the arguments of the interpreter, of a subscription and a directory.
        rows: Counts the rows that are visible in a directory.
    """

    title: str
    command: Callable[[str, str], Sequence[str]]
    rows: Callable[[Path], int]


@dataclass(frozen=True)
class Result:
    """What a way did.

    Attributes:
        seconds: From its start to its last visible row.
        rows: That are visible at the end.
    """

    seconds: float
    rows: int


def _ours(*arguments: str) -> Callable[[str, str], Sequence[str]]:
    def command(subscription: str, directory: str) -> Sequence[str]:
        run = "import sys; from pipeline.cli import main; sys.exit(main())"
        source = ("run", "--input_subscription", subscription, "--output", directory)
        return "-c", run, *source, *arguments

    return command


def _stock(kind: str) -> Callable[[str, str], Sequence[str]]:
    def command(subscription: str, directory: str) -> Sequence[str]:
        seconds = str(WINDOW_SECONDS)
        return "-m", "benchmarks.stock_pubsub", subscription, directory, seconds, kind

    return command


def _committed(directory: Path) -> int:
    paths = [path for path in directory.glob("_manifest/*.json") if path.name.count(".") == 1]
    return sum(json.loads(path.read_bytes())["written"] for path in paths)


def _lines(directory: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in directory.glob("*") if path.is_file())


def ways() -> list[Way]:
    """All ways that this machine can go; Beam's own reader on the BundleBasedDirectRunner."""
    found = [Way("job-status --drain, FnApiRunner", _ours(*_DRAIN), _committed)]
    if prism := component_path("prism"):
        streaming = ("--streaming", "--window_seconds", str(WINDOW_SECONDS))
        command = _ours(*streaming, f"--prism_location={prism}")
        found.append(Way("job-status --streaming, Prism", command, _committed))
    return [
        *found,
        Way("ReadFromPubSub, WriteToFiles by windows", _stock("windows"), _lines),
        Way("ReadFromPubSub, WriteToFiles by the clock", _stock("clock"), _lines),
    ]


def messages_of(lines: Sequence[bytes], events_a_message: int) -> list[bytes]:
    """The events of envelopes as messages: as they are, or as pages."""
    if events_a_message == 1:
        return list(lines)
    starts = range(0, len(lines), events_a_message)
    return [page_of(lines[start : start + events_a_message]) for start in starts]


def measured(way: Way, server: Server, messages: Sequence[bytes], events: int) -> Result:
    """Publishes a backlog, and lets a way read it until all is there or nothing more comes."""
    published = server.create()
    server.publish(published.topic, messages)
    with tempfile.TemporaryDirectory(prefix="job-status-pubsub-") as work:
        directory = Path(work, "out")
        directory.mkdir()
        started = last = time.monotonic()
        rows = 0
        command = way.command(published.subscription, str(directory))
        with _running([sys.executable, *command], server.address):
            while rows < events and time.monotonic() - last < _GIVEN_UP_SECONDS:
                time.sleep(_LOOK_SECONDS)
                if (now := way.rows(directory)) != rows:
                    rows, last = now, time.monotonic()
        return Result(last - started, way.rows(directory))


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
    """Measures all ways and prints the table; 2 where there is no server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pubsub", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="how many (default: 10000)")
    options = parser.parse_args(arguments)
    if not is_there():
        print(f"there is no Pub/Sub server here: {HOW_TO_GET_THEM}", file=sys.stderr)
        return 2
    lines = envelopes(options.events, 1)
    print("| way | events a message | rows in | rows out | lost | seconds | rows a second |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with running_server() as server:
        for way in ways():
            startup = min(measured(way, server, lines[:1], 1).seconds for _ in range(2))
            for size in (1, 100):
                result = measured(way, server, messages_of(lines, size), len(lines))
                seconds = max(result.seconds - startup, 0.0)
                speed = f"{result.rows / seconds:,.0f}" if seconds and result.rows else "-"
                print(
                    f"| {way.title} | {size} | {len(lines):,} | {result.rows:,} "
                    f"| {len(lines) - result.rows:,} | {seconds:.1f} + {startup:.1f} | {speed} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
