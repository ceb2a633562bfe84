"""Contender: Beam as its guides show it, with one element for each line.

`python -m benchmarks.beam_text INPUT OUTPUT_DIRECTORY`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.io import ReadFromText, WriteToAvro
from apache_beam.options.pipeline_options import PipelineOptions

from benchmarks.records import Record, RecordMaker
from schemas.avro import record_schema


class ToRecord(beam.DoFn):
    """Makes the record of a line, without its file and its offset: the DoFn does not know them."""

    def setup(self) -> None:
        self._record = RecordMaker()

    def process(self, line: str) -> Iterator[Record]:
        record = self._record(line)
        if record is not None:
            yield record


def run(source: str, directory: str) -> None:
    """Runs the pipeline on the FnApiRunner, which is part of the direct runner.

    The runner is named here. Otherwise the direct runner would first try Prism, and the
    result would depend on what it can download.
    """
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline:
        (
            pipeline
            | ReadFromText(source)
            | beam.ParDo(ToRecord())
            | WriteToAvro(
                f"{directory}/job_status",
                schema=record_schema("job_status_event").parsed,
                codec="deflate",
                file_name_suffix=".avro",
            )
        )


if __name__ == "__main__":
    run(*sys.argv[1:])
