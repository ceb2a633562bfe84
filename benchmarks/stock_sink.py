"""Counts the rows that Beam's own sinks lose on a stream, compared with the sink of this project.

    python -m benchmarks.stock_sink

All sinks get the same stream: unordered rows of several minutes, then some late rows. Beam's
TestStream produces it, so that it is the same each time and nothing else can be the cause.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import fastavro
import numpy as np
from apache_beam.io import fileio
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from schemas.mapping.tables import load_mapping
from transforms.blocks.block import RawBlock
from transforms.blocks.origin import PendingAcks
from transforms.derive.derive_job_status import DeriveJobStatus
from transforms.encode.encode_avro import EncodeAvro
from transforms.kernel import Payloads
from transforms.parse.parse_events import ParseEvents
from transforms.write.settings import CommitSettings, PaneSettings
from transforms.write.write_panes import WriteAvroPanes

WINDOW_SECONDS = 60
LATE_SECONDS = 24 * 3600
_START = 1_767_225_600  # 2026-01-01T00:00:00Z
_SUBSCRIPTION = "projects/stream/subscriptions/test"

SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [{"name": "job_id", "type": "string"}],
}


class Stream(NamedTuple):
    """Rows of a stream, as pairs of a time in seconds since the start and a number.

    Attributes:
        on_time: Rows in the order of arrival.
        late: Rows that arrive after the watermark has passed them.
    """

    on_time: list[tuple[int, int]]
    late: list[tuple[int, int]]

    def script(self) -> TestStream:
        """Returns the stream as a TestStream."""
        end = _START + max(seconds for seconds, _ in self.on_time) + 2 * WINDOW_SECONDS
        script = TestStream().advance_watermark_to(_START).add_elements(_at(self.on_time))
        script = script.advance_watermark_to(end)
        for row in self.late:
            script = script.add_elements(_at([row]))
        return script.advance_watermark_to_infinity()

    def ids(self) -> set[str]:
        """Returns the ids that the output must have."""
        return {str(number) for _, number in self.on_time + self.late}


def stream(rows: int, windows: int, late: int) -> Stream:
    """Distributes rows over windows in turn, so that neighbours are in different windows."""
    times = [(number % windows) * WINDOW_SECONDS + 1 for number in range(rows)]
    in_order = [(seconds, number) for number, seconds in enumerate(times)]
    return Stream(in_order[late:], in_order[:late])


def _at(rows: Sequence[tuple[int, int]]) -> list[TimestampedValue]:
    return [TimestampedValue(number, _START + seconds) for seconds, number in rows]


Write = Callable[[beam.PCollection, str], Any]


def avro(shards: int = 1, lateness: int = 0) -> Write:
    """Returns Beam's WriteToAvro with windows."""

    def write(numbers: beam.PCollection, directory: str) -> None:
        (
            numbers
            | beam.Map(lambda number: {"job_id": str(number)})
            | beam.WindowInto(FixedWindows(WINDOW_SECONDS), allowed_lateness=lateness)
            | beam.io.WriteToAvro(
                os.path.join(directory, "o"), SCHEMA, num_shards=shards, file_name_suffix=".avro"
            )
        )

    return write


def files(numbers: beam.PCollection, directory: str) -> None:
    """Writes with Beam's WriteToFiles, with a pane for each late row."""
    (
        numbers
        | beam.Map(lambda number: json.dumps({"job_id": str(number)}))
        | beam.WindowInto(
            FixedWindows(WINDOW_SECONDS),
            trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
            allowed_lateness=LATE_SECONDS,
            accumulation_mode=trigger.AccumulationMode.DISCARDING,
        )
        | fileio.WriteToFiles(directory, sink=lambda _: fileio.TextSink(), shards=1)
    )


def job_status(shards: int) -> Write:
    """Returns the steps of this project after reading; late rows have their own panes."""

    def write(numbers: beam.PCollection, directory: str) -> None:
        mapping = load_mapping()
        settings = CommitSettings(
            directory, "stream", mapping.fingerprint, write_mode="append", from_messages=True
        )
        (
            numbers
            | beam.Map(_block)
            | ParseEvents()
            | DeriveJobStatus(mapping)
            | EncodeAvro()
            | WriteAvroPanes(settings, PaneSettings(WINDOW_SECONDS, shards))
        )

    return write


def _block(number: int) -> RawBlock:
    payload = json.dumps({"id": str(number), "job_status": "open"}).encode()
    return RawBlock(
        _SUBSCRIPTION,
        Payloads.of([payload]),
        np.zeros(1, np.int64),
        pending_acks=PendingAcks(_SUBSCRIPTION, [str(number)], 0),
    )


def found_in(directory: str) -> list[str]:
    """Returns the job ids of all rows in the files of a directory."""
    found: list[str] = []
    for path in sorted(Path(directory).rglob("*")):
        if path.is_dir() or path.parent.name == "_manifest":
            continue
        if path.suffix == ".avro":
            with path.open("rb") as file:
                found += [record["job_id"] for record in fastavro.reader(file)]  # type: ignore
        else:
            found += [json.loads(line)["job_id"] for line in path.read_text().splitlines()]
    return found


CASES: tuple[tuple[str, Write, Stream], ...] = (
    ("WriteToAvro, 1 window", avro(), stream(40, 1, 0)),
    ("WriteToAvro, 5 windows", avro(), stream(40, 5, 0)),
    ("WriteToAvro, 1 window, 4 shards", avro(4), stream(40, 1, 0)),
    ("WriteToAvro, 1 window, 10 rows late", avro(), stream(40, 1, 10)),
    ("WriteToAvro, the same, lateness allowed", avro(1, LATE_SECONDS), stream(40, 1, 10)),
    ("WriteToFiles, 5 windows", files, stream(40, 5, 0)),
    ("WriteToFiles, 1 window, 10 rows late", files, stream(40, 1, 10)),
    ("job-status, 5 windows, 4 shards, 10 rows late", job_status(4), stream(40, 5, 10)),
)


def arrived(write: Write, rows: Stream) -> tuple[int, int]:
    """Writes a stream with a sink. Returns the number of rows, and of distinct expected rows.

    Raises:
        Exception: The runner failed because of an error of the sink.
    """
    options = PipelineOptions(["--runner=BundleBasedDirectRunner", "--allow_unsafe_triggers"])
    options.view_as(StandardOptions).streaming = True
    with tempfile.TemporaryDirectory(prefix="job-status-sink-") as directory:
        with beam.Pipeline(options=options) as pipeline:
            write(pipeline | rows.script(), directory)
        found = found_in(directory)
    return len(found), len(set(found) & rows.ids())


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the lost rows of every sink. Returns 1 if this project loses or repeats a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stock_sink", description=__doc__)
    parser.parse_args(arguments)
    logging.disable()
    failed = False
    print(f"{'sink and stream':46} rows in  rows out  lost")
    for name, write, rows in CASES:
        expected = len(rows.ids())
        try:
            out, there = arrived(write, rows)
        except Exception as error:
            print(f"{name:46} {expected:7}  the run fails: {type(error).__name__}")
            failed |= name.startswith("job-status")
            continue
        print(f"{name:46} {expected:7}  {out:8}  {expected - there:4}")
        failed |= name.startswith("job-status") and out != expected
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
