"""ParseEvents: blocks of payloads → the job events in them, as columns.

Everything of a JobStatusEvent but what is derived is made here; a row costs a few microseconds
because Python touches it only to decode it and to hash its identity.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.blocks import BLOCK_BYTES, NO_CONTEXT, Context, EventBlock, RawBlock
from transforms.event_id import event_ids
from transforms.payloads import STEP, EventFinder, Rows
from transforms.timestamps import TIMESTAMP, parse_timestamps

DEFAULT_EVENT_TYPES = ("ats_jobs.*",)

STATUS_TEXT = pa.struct(
    [
        ("given_value", pa.string()),
        ("source_value_json", pa.string()),
        ("source_value_type", pa.string()),
    ]
)
"""What was sent of a status. In a block it is a dictionary: few statuses are distinct."""

PARSED = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_type", pa.string()),
        ("event_time", TIMESTAMP),
        ("project_id", pa.string()),
        ("account_id", pa.string()),
        ("provider", pa.string()),
        ("job_id", pa.string()),
        ("remote_job_id", pa.string()),
        ("job_created_at", TIMESTAMP),
        ("job_updated_at", TIMESTAMP),
        ("legacy_status", pa.string()),
        ("job_status", pa.dictionary(pa.int32(), STATUS_TEXT)),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("source_offset", pa.int64()),
        ("message_id", pa.string()),
        ("publish_time", TIMESTAMP),
    ]
)
"""The columns that ParseEvents makes."""

_CONTEXT_FIELDS = ("event_type", "event_date", "project_id", "account_id", "provider")


class EventTypes:
    """Which events are wanted.

    Args:
        patterns: Shell-style patterns of event types, such as `ats_jobs.*`.
    """

    _MOST_REMEMBERED = 10_000

    def __init__(self, patterns: tuple[str, ...] = DEFAULT_EVENT_TYPES) -> None:
        self._patterns = patterns
        self._known: dict[str, bool] = {}

    def __call__(self, event_type: str) -> bool:
        wanted = self._known.get(event_type)
        if wanted is None:
            wanted = any(fnmatchcase(event_type, pattern) for pattern in self._patterns)
            if len(self._known) >= self._MOST_REMEMBERED:
                self._known.clear()
            self._known[event_type] = wanted
        return wanted


class EventParser:
    """Parses blocks; the pure part of ParseEvents.

    Args:
        event_types: Which events are wanted; others are counted and ignored.
        max_event_bytes: The longest job of a page or element of an array, in bytes.
        context: What holds for every event whose payload does not say it, from the command line.
    """

    def __init__(self, event_types: EventTypes, max_event_bytes: int, context: Context) -> None:
        self._finder = EventFinder(event_types, max_event_bytes)
        self._context = context

    def parse(self, block: RawBlock) -> Iterator[EventBlock]:
        """Parses a block into columns: into several blocks where its payloads hold many events.

        Only the first of them accounts for the span and the note of the block.
        """
        contexts = block.contexts or [self._context] * len(block.payloads)
        rejections = [replace(each, context=self._context) for each in block.rejections]
        rows = Rows(rejections=rejections)
        span, note = block.span, block.note
        for found in self._each(block, contexts, rows):
            for parsed in _with_columns(block.source, found):
                yield replace(parsed, span=span, note=note)
                span = note = None

    def _each(self, block: RawBlock, contexts: list[Context], rows: Rows) -> Iterator[Rows]:
        finder = self._finder
        bytes_within = 0
        for payload, offset, context in zip(block.payloads, block.offsets, contexts, strict=True):
            try:
                finder.find(payload, offset, context, rows)
            except Exception as error:
                rows.reject("INTERNAL", type(error).__name__, payload, offset, context)
            while rows.pending:
                found = next(rows.pending[-1], None)
                if found is None:
                    rows.pending.pop()
                    continue
                try:
                    finder.find_within(found, rows)
                except Exception as error:
                    rows.reject("INTERNAL", type(error).__name__, *found[:3])
                bytes_within += len(found.payload)
                if bytes_within >= BLOCK_BYTES:
                    yield rows
                    rows = Rows(pending=rows.pending)
                    bytes_within = 0
        yield rows


def _with_columns(source: str, rows: Rows) -> Iterator[EventBlock]:
    """The rows as a block; should a bug meet one of them, only that row is lost to INTERNAL."""
    try:
        block = _block(source, rows)
    except Exception:
        logging.getLogger(__name__).exception("%s failed on a block; trying its rows", STEP)
    else:
        yield block
        return
    yield _block(source, Rows(rejections=rows.rejections, ignored=rows.ignored))
    for index in range(len(rows.payloads)):
        try:
            block = _block(source, rows.only(index))
        except Exception as error:
            failed = Rows()
            failed.reject(
                "INTERNAL",
                type(error).__name__,
                rows.payloads[index],
                rows.offsets[index],
                rows.contexts[index],
            )
            block = _block(source, failed)
        yield block


def _block(source: str, rows: Rows) -> EventBlock:
    events, unreadable = columns_of(source, rows)
    return EventBlock(
        source,
        events,
        rows.payloads,
        rows.contexts,
        rows.rejections,
        rows.ignored,
        len(rows.payloads) + len(rows.rejections) + sum(rows.ignored.values()),
        unreadable,
    )


def columns_of(source: str, rows: Rows) -> tuple[pa.RecordBatch, int]:
    """Makes the columns of the rows.

    Returns:
        A batch of PARSED, and how many timestamps were given but could not be read.
    """
    envelopes, jobs = rows.envelopes, rows.jobs
    columns: dict[str, pa.Array] = {
        "event_type": _strings([each.event for each in envelopes]),
        "event_date": _strings([each.event_date for each in envelopes]),
        "project_id": _ids([each.project_id for each in envelopes]),
        "account_id": _ids([each.account_id for each in envelopes]),
        "provider": _strings([each.provider for each in envelopes]),
        "job_id": _either(
            [each.id for each in jobs], [each.record_id for each in envelopes]
        ),
        "remote_job_id": _either(
            [each.remote_id for each in jobs], [each.record_remote_id for each in envelopes]
        ),
        "legacy_status": _strings([each.status for each in jobs]),
        "created_at": _strings([each.created_at for each in jobs]),
        "updated_at": _strings([each.updated_at for each in jobs]),
    }
    for name in _CONTEXT_FIELDS:
        columns[name] = _with_context(columns[name], rows.contexts, name)
    indices = pa.array(rows.status_indices, pa.int32())
    texts = rows.status_texts
    columns["job_status_json"] = _strings([each.job_status_json for each in texts]).take(indices)
    columns["event_id"] = event_ids(columns, rows.payloads)

    unreadable = 0
    for name in ("event_date", "created_at", "updated_at"):
        given = columns[name]
        columns[f"{name} read"] = parse_timestamps(given)
        unreadable += columns[f"{name} read"].null_count - given.null_count
    columns["job_created_at"] = columns["created_at read"]
    columns["job_updated_at"] = columns["updated_at read"]
    columns["event_time"] = pc.coalesce(
        columns["event_date read"], columns["job_updated_at"], columns["job_created_at"]
    )
    columns["job_status"] = pa.DictionaryArray.from_arrays(
        indices,
        pa.StructArray.from_arrays(
            [
                _strings([each.given_value for each in texts]),
                _strings([each.source_value_json for each in texts]),
                _strings([each.source_value_type for each in texts]),
            ],
            fields=list(STATUS_TEXT),
        ),
    )
    count = len(envelopes)
    columns["source"] = constant(source, count)
    columns["source_offset"] = pa.array(rows.offsets, pa.int64())
    columns["message_id"] = pa.nulls(count, pa.string())
    columns["publish_time"] = pa.nulls(count, TIMESTAMP)
    batch = pa.RecordBatch.from_arrays([columns[name] for name in PARSED.names], schema=PARSED)
    return batch, unreadable


def constant(value: str, count: int) -> pa.DictionaryArray:
    """A column that holds one value in every row."""
    zeros = pa.array(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(zeros, pa.array([value], pa.string()))


def _strings(values: list[str | None]) -> pa.StringArray:
    return pa.array(values, pa.string())


def _ids(values: list[Any]) -> pa.StringArray:
    """Ids as text; a number decodes exactly as it is written, see `payloads.Job`."""
    try:
        return pa.array(values, pa.string())
    except pa.ArrowTypeError:
        return pa.array([None if each is None else str(each) for each in values], pa.string())


def _either(first: list[Any], second: list[Any]) -> pa.StringArray:
    column = _ids(first)
    return pc.coalesce(column, _ids(second)) if column.null_count else column


def _with_context(column: pa.StringArray, contexts: list[Context], name: str) -> pa.StringArray:
    if not column.null_count:
        return column
    if contexts.count(contexts[0]) == len(contexts):
        beside = getattr(contexts[0], name)
        return column if beside is None else column.fill_null(beside)
    return pc.coalesce(column, _strings([getattr(each, name) for each in contexts]))


class _ParseEvents(beam.DoFn):  # type: ignore[misc]
    def __init__(
        self, event_types: tuple[str, ...], max_event_bytes: int, context: Context
    ) -> None:
        self._arguments = event_types, max_event_bytes, context

    def setup(self) -> None:
        event_types, max_event_bytes, context = self._arguments
        self._parser = EventParser(EventTypes(event_types), max_event_bytes, context)

    def process(self, block: RawBlock) -> Iterator[EventBlock]:
        return self._parser.parse(block)


class ParseEvents(beam.PTransform):  # type: ignore[misc]
    """Finds the job events in blocks of payloads.

    Args:
        event_types: Shell-style patterns of the wanted events; others are counted and ignored.
        max_event_bytes: The longest job of a page or element of an array, in bytes.
        context: What holds for every event whose payload does not say it.

    Returns:
        A collection of EventBlock.
    """

    def __init__(
        self,
        *,
        event_types: tuple[str, ...] = DEFAULT_EVENT_TYPES,
        max_event_bytes: int = 10_000_000,
        context: Context = NO_CONTEXT,
    ) -> None:
        super().__init__()
        self._do_fn = _ParseEvents(event_types, max_event_bytes, context)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | beam.ParDo(self._do_fn)
