"""Contender: writes messages to files of lines with Beam's transforms, as its documentation shows.

    python -m benchmarks.stock_pubsub SUBSCRIPTION DIRECTORY SECONDS windows|clock

It uses ReadFromPubSub and WriteToFiles on the BundleBasedDirectRunner, the only local runner with
this reader. It writes files for each window of some seconds (`windows`), or whenever these seconds
have passed (`clock`), so that no message is late. Each job becomes a line with its id and status,
without derivation or validation. It runs until it is stopped.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows, GlobalWindows


def lines_of(data: bytes) -> Iterator[str]:
    """Yields a line for each job of a message, which is an envelope or a page."""
    payload = json.loads(data)
    for job in payload["data"] if "data" in payload else [payload["event_data"]]:
        yield json.dumps({"job_id": job.get("id"), "status": job.get("job_status")})


def window_of(seconds: int, kind: str) -> beam.WindowInto:
    """Returns the windowing that determines when files are written."""
    if kind == "windows":
        return beam.WindowInto(FixedWindows(seconds))
    return beam.WindowInto(
        GlobalWindows(),
        trigger=trigger.Repeatedly(trigger.AfterProcessingTime(seconds)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
    )


def main(subscription: str, directory: str, seconds: str, kind: str) -> None:
    """Reads until the process is stopped."""
    logging.disable()
    options = PipelineOptions(["--runner=BundleBasedDirectRunner"])
    options.view_as(StandardOptions).streaming = True
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | ReadFromPubSub(subscription=subscription)
            | beam.FlatMap(lines_of)
            | window_of(int(seconds), kind)
            | fileio.WriteToFiles(directory, sink=lambda _: fileio.TextSink(), shards=1)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
