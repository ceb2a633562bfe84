"""Measures NormalizeJobStatus in a pipeline: from bytes to a NamedTuple for each event.

    python -m benchmarks.normalize --events 1000000 --runs 3

The pipeline yields lines of a file as elements, normalizes and counts them, in one process and
without a shuffle. The time of the same pipeline without NormalizeJobStatus is subtracted. Both are
processor time, the minimum of several runs in turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter

from pipeline.sample.write import write_samples
from transforms import NormalizeJobStatus

_SEED = 1


class _Count(beam.DoFn):
    """Counts elements."""

    def setup(self) -> None:
        self._counter = Metrics.counter("benchmark", "elements")
        self._count = 0

    def process(self, element: object) -> None:
        self._count += 1

    def finish_bundle(self) -> None:
        self._counter.inc(self._count)
        self._count = 0


def lines_of(path: str) -> Iterator[bytes]:
    """Yields the lines of a file without their ends."""
    with open(path, "rb") as file:
        for line in file:
            yield line[:-1]


def run_once(path: str, normalizes: bool) -> tuple[float, int]:
    """Runs a pipeline; returns its processor time in seconds, and the number of its outputs."""
    start = time.process_time()
    pipeline = beam.Pipeline(runner="FnApiRunner")
    elements = (
        pipeline
        | beam.Create([path], reshuffle=False)
        | beam.FlatMap(lines_of).with_output_types(bytes)
    )
    if normalizes:
        elements = (elements | NormalizeJobStatus()).events
    elements | beam.ParDo(_Count())
    result = pipeline.run()
    result.wait_until_finish()
    seconds = time.process_time() - start
    (counter,) = result.metrics().query(MetricsFilter().with_name("elements"))["counters"]
    return seconds, counter.result


def measure(events: int, runs: int) -> tuple[float, float]:
    """Returns the microseconds for an event with NormalizeJobStatus and without it."""
    with tempfile.TemporaryDirectory() as directory:
        counts = write_samples(
            directory, events=events, seed=_SEED, bad_fraction=0.0, shapes="lines"
        )
        path = str(Path(directory) / "events.jsonl")
        run_once(path, True)  # loads the machine code
        best = {True: float("inf"), False: float("inf")}
        for _ in range(runs):
            for normalizes in best:
                seconds, count = run_once(path, normalizes)
                expected = counts.events if normalizes else events
                if count != expected:
                    raise SystemExit(f"{count} elements, not {expected}")
                best[normalizes] = min(best[normalizes], seconds)
    return best[True] / events * 1e6, best[False] / events * 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the cost of an event."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.normalize",
        description="Measures NormalizeJobStatus for one event.",
    )
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="number of events (default: 1000000)"
    )
    parser.add_argument("--runs", type=int, default=3, help="number of runs (default: 3)")
    options = parser.parse_args(arguments)
    with_it, without_it = measure(options.events, options.runs)
    print(f"pipeline with NormalizeJobStatus     {with_it:6.2f} µs an event")
    print(f"pipeline without it                  {without_it:6.2f} µs an event")
    print(f"NormalizeJobStatus                   {with_it - without_it:6.2f} µs an event")
    return 0


if __name__ == "__main__":
    sys.exit(main())
