"""WriteJobStatus: writes events and errors as Avro and commits them, as the command does."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import apache_beam as beam
import fastavro
import numpy as np
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from schemas.avro import RecordName, record_schema
from schemas.errors import OutputError
from transforms.blocks import BLOCK_ROWS, AvroBlock, EncodedBlock, JobStatus, PendingAcks
from transforms.compact import Records, count_records
from transforms.encode import compressed, find_violation
from transforms.storage import file_paths
from transforms.write import (
    CommitSettings,
    PaneSettings,
    WriteAvro,
    WriteAvroPanes,
    new_run_id,
    recover,
)

_MICROSECONDS = 1_000_000


def encoded(name: RecordName, rows: Iterable[Any]) -> bytes:
    """Encodes rows, NamedTuples or Beam rows, as Avro records.

    Raises:
        OutputError: A row does not fit the schema.
    """
    schema = record_schema(name).parsed
    body = io.BytesIO()
    for row in rows:
        record = _record(row, schema)
        try:
            fastavro.schemaless_writer(body, _parsed(name), record, strict=True)
        except Exception as error:
            # The text of the error may hold a value.
            problem = type(error).__name__
            raise OutputError(f"a row does not fit the schema of {name} ({problem})") from None
        if name == "job_status_event":
            violation = find_violation(JobStatus(**record["job_status"]))
            if violation is not None:
                raise OutputError(f"an event violates the schema: {violation.message}")
    return body.getvalue()


def _record(row: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a row as a record. A worker may have made its type anew, with the same fields."""
    record = {}
    for field in schema["fields"]:
        name, kind = field["name"], field["type"]
        value = getattr(row, name)
        is_record = isinstance(kind, dict) and kind["type"] == "record"
        record[name] = _record(value, kind) if is_record else value
    return record


@cache
def _parsed(name: RecordName) -> Any:
    return fastavro.parse_schema(record_schema(name).parsed)


def encoded_block(name: RecordName, rows: list[Any], settings: CommitSettings) -> EncodedBlock:
    """Encodes rows as a block with its ledger."""
    body = encoded(name, rows)
    count = len(rows)
    ledger = count_records(name, Records(name, body, count), np.ones(count, np.bool_))
    # The sink counts what it stages.
    ledger.read, ledger.written, ledger.dead_lettered = count, 0, 0
    if settings.from_messages:
        # There is nothing to acknowledge, but the sink commits no block without this.
        ledger.pending_acks.append(PendingAcks("", [], int(time.time() * _MICROSECONDS)))
    block = AvroBlock(count, compressed(body, settings.codec))
    is_event = name == "job_status_event"
    return EncodedBlock(block if is_event else None, None if is_event else block, ledger)


class _Encode(beam.DoFn):
    """Encodes the rows of each bundle in blocks."""

    def __init__(self, name: RecordName, settings: CommitSettings) -> None:
        self._name = name
        self._settings = settings

    def start_bundle(self) -> None:
        self._rows: list[Any] = []

    def process(self, row: Any) -> Iterator[EncodedBlock]:
        self._rows.append(row)
        if len(self._rows) >= BLOCK_ROWS:
            yield self._block()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._rows:
            window = GlobalWindow()
            yield WindowedValue(self._block(), window.start, (window,))

    def _block(self) -> EncodedBlock:
        rows, self._rows = self._rows, []
        return encoded_block(self._name, rows, self._settings)


class WriteJobStatus(beam.PTransform):
    """Writes the result of NormalizeJobStatus as Avro, with the files and manifests of the command.

    Its input is a pair of collections, of JobStatusEvent and of DeadLetter, or rows with the same
    fields. Earlier runs in the output stay. A run commits all of its files or none; an unbounded
    collection is committed in intervals.

    Args:
        output: A directory on any filesystem that Beam supports.
        window_seconds: Seconds between the commits of an unbounded collection.

    Raises:
        OutputError: The output cannot be written, or a row does not fit the schema.

    Examples:
        >>> from pathlib import Path
        >>> import apache_beam as beam
        >>> from transforms import NormalizeJobStatus, WriteJobStatus
        >>> with beam.Pipeline() as pipeline:
        ...     jobs = pipeline | beam.Create([{"id": "7", "status": "Open"}])
        ...     manifest = jobs | NormalizeJobStatus() | WriteJobStatus("output")
        >>> sorted(path.parent.name for path in Path("output").glob("*/*"))
        ['_manifest', 'job_status']
    """

    def __init__(self, output: str, *, window_seconds: int = 60) -> None:
        super().__init__()
        file_paths.check_path(output)
        self._settings = CommitSettings(
            output=file_paths.normal(output),
            run_id=new_run_id(),
            mapping_fingerprint="",
            write_mode="append",
            started_at=time.time(),
        )
        self._panes = PaneSettings(window_seconds, by_processing_time=True)

    def expand(
        self, result: tuple[beam.PCollection, beam.PCollection]
    ) -> beam.PCollection | beam.pvalue.DoOutputsTuple:
        events, errors = result
        settings = replace(self._settings, from_messages=not events.is_bounded)
        recover(settings)
        blocks = (
            self._blocks(events, "Events", "job_status_event", settings),
            self._blocks(errors, "Errors", "dead_letter", settings),
        ) | beam.Flatten()
        if settings.from_messages:
            return blocks | "WriteAvro" >> WriteAvroPanes(settings, self._panes)
        return (blocks | "WriteAvro" >> WriteAvro(settings, None)).manifest

    def _blocks(
        self, rows: beam.PCollection, label: str, name: RecordName, settings: CommitSettings
    ) -> beam.PCollection:
        encode = beam.ParDo(_Encode(name, settings)).with_output_types(EncodedBlock)
        return (
            rows
            | f"{label}InOneWindow" >> beam.WindowInto(GlobalWindows())
            | f"Encode{label}" >> encode
        )
