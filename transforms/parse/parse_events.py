"""ParseEvents: blocks of payloads → the job events in them, as columns.

Everything of a JobStatusEvent but what is derived is made here; a row costs a few microseconds
because Python touches it only to decode it and to hash its identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from transforms.blocks import (
    BLOCK_BYTES,
    NO_CONTEXT,
    PARSED,
    SHARED_TEXT,
    STATUS_TEXT,
    TIMESTAMP,
    Context,
    EventBlock,
    RawBlock,
    constant,
    log_bug,
    strings,
)
from transforms.parse.batch import add_batch
from transforms.parse.event_id import event_ids
from transforms.parse.fields import filled
from transforms.parse.one_by_one import STEP, EventFinder, Rows
from transforms.parse.timestamps import parse_timestamps

DEFAULT_EVENT_TYPES = ("ats_jobs.*",)


_CONTEXT_FIELDS = ("event_type", "event_date", "project_id", "account_id", "provider")

_MOST_ROWS = 10_000
"""Rows of a block at the most: it bounds the memory of a block of tiny payloads."""

_ROW_BYTES = 100
"""What a row costs at least beside its payload: it bounds the rows of a block of tiny payloads."""


class EventTypes:
    """Which events are wanted.

    Args:
        patterns: Shell-style patterns of event types, such as `ats_jobs.*`.
    """

    _MOST_REMEMBERED = 10_000
    _LONGEST_REMEMBERED = 256

    def __init__(self, patterns: tuple[str, ...] = DEFAULT_EVENT_TYPES) -> None:
        self._patterns = patterns
        self._known: dict[str, bool] = {}

    def __call__(self, event_type: str) -> bool:
        wanted = self._known.get(event_type)
        if wanted is None:
            wanted = any(fnmatchcase(event_type, pattern) for pattern in self._patterns)
            if len(self._known) >= self._MOST_REMEMBERED:
                self._known.clear()
            if len(event_type) <= self._LONGEST_REMEMBERED:
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
        self._event_types = event_types
        self._finder = EventFinder(event_types, max_event_bytes)
        self._context = context

    def parse(self, block: RawBlock) -> Iterator[EventBlock]:
        """Parses a block into columns: into several blocks where its payloads hold many events.

        Only the last of them accounts for the span, the note and the receipt of the block.
        """
        flags = self._context
        if block.contexts is None:
            contexts = [flags] * len(block.payloads)
        else:
            contexts = [filled(each, flags) for each in block.contexts]
        rejections = [
            replace(each, context=filled(each.context, flags)) for each in block.rejections
        ]
        held: EventBlock | None = None
        for rows in self._rows(block, contexts):
            rows.rejections += rejections
            rejections = []
            for parsed in self._with_columns(block.source, rows):
                if held is not None:
                    yield held
                held = parsed
        if held is not None:
            yield replace(
                held,
                span=block.span,
                note=block.note,
                input=block.input,
                pending_acks=block.pending_acks,
            )

    def _rows(self, block: RawBlock, contexts: list[Context]) -> Iterator[Rows]:
        """Finds the events of a block; yields them as soon as they are enough for a block."""
        for start in range(0, max(len(block.payloads), 1), _MOST_ROWS):
            part = slice(start, start + _MOST_ROWS)
            payloads, offsets, around = block.payloads[part], block.offsets[part], contexts[part]
            rows, others = self._ordinary(payloads, offsets, around)
            added_bytes = 0
            for position in others:
                one = payloads[position], offsets[position], around[position]
                _guarded(partial(self._finder.find, *one, rows), *one, rows)
                while rows.pending:
                    found = rows.next_found()
                    if found is not None:
                        find_within = partial(self._finder.find_within, found, rows)
                        _guarded(find_within, found.payload, found.offset, found.context, rows)
                        added_bytes += len(found.payload) + _ROW_BYTES
                    if added_bytes >= BLOCK_BYTES:
                        yield rows
                        rows, added_bytes = rows.continued(), 0
            yield rows

    def _ordinary(
        self, payloads: list[bytes], offsets: list[int], contexts: list[Context]
    ) -> tuple[Rows, list[int]]:
        """The ordinary payloads, and the positions of the others: all, should a bug meet one."""
        rows = Rows()
        try:
            return rows, add_batch(payloads, offsets, contexts, self._event_types, rows)
        except Exception as error:
            log_bug(STEP, error)
            return Rows(), list(range(len(payloads)))

    def _with_columns(self, source: str, rows: Rows) -> Iterator[EventBlock]:
        """The rows as a block; should a bug meet one of them, only that row is lost to INTERNAL."""
        try:
            block = _block(source, rows)
        except Exception as error:
            log_bug(STEP, error)
        else:
            yield block
            return
        yield _block(source, Rows(rejections=rows.rejections, ignored=rows.ignored))
        for payload, offset, context in zip(
            rows.payloads, rows.offsets, rows.contexts, strict=True
        ):
            # What a row was made of is an event by itself.
            one = Rows()
            try:
                self._finder.find(payload, offset, context, one)
                block = _block(source, one)
            except Exception as error:
                one = Rows()
                one.reject("INTERNAL", type(error).__name__, payload, offset, context)
                block = _block(source, one)
            yield block


def _guarded(
    work: Callable[[], None], payload: bytes, offset: int, context: Context, rows: Rows
) -> None:
    """Does the work on a payload; should a bug meet it, only that payload is lost to INTERNAL."""
    try:
        work()
    except Exception as error:
        rows.reject("INTERNAL", type(error).__name__, payload, offset, context)


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
    columns: dict[str, pa.Array] = dict(rows.texts.columns())
    for name in _CONTEXT_FIELDS:
        columns[name] = _with_context(columns[name], rows.contexts, name)
    for field in PARSED:
        if field.type == SHARED_TEXT and field.name in columns:
            columns[field.name] = columns[field.name].dictionary_encode(null_encoding="encode")
    indices = pa.array(rows.status_indices, pa.int32())
    texts = rows.status_texts
    columns["job_status_json"] = pa.DictionaryArray.from_arrays(
        indices, strings([each.job_status_json for each in texts])
    )
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
                strings([each.given_value for each in texts]),
                strings([each.source_value_json for each in texts]),
                strings([each.source_value_type for each in texts]),
            ],
            fields=list(STATUS_TEXT),
        ),
    )
    count = len(rows.payloads)
    columns["source"] = constant(source, count)
    columns["source_offset"] = pa.array(rows.offsets, pa.int64())
    columns |= _messages(rows.contexts)
    batch = pa.RecordBatch.from_arrays([columns[name] for name in PARSED.names], schema=PARSED)
    return batch, unreadable


def _with_context(column: pa.StringArray, contexts: list[Context], name: str) -> pa.StringArray:
    if not column.null_count:
        return column
    if contexts.count(contexts[0]) == len(contexts):
        beside = getattr(contexts[0], name)
        return column if beside is None else column.fill_null(beside)
    return pc.coalesce(column, strings([getattr(each, name) for each in contexts]))


def _messages(contexts: list[Context]) -> dict[str, pa.Array]:
    messages = [each.message for each in contexts]
    if not any(messages):
        count = len(messages)
        return {
            "message_id": pa.nulls(count, pa.string()),
            "publish_time": pa.nulls(count, TIMESTAMP),
        }
    return {
        "message_id": strings([each and each.message_id for each in messages]),
        "publish_time": pa.array([each and each.publish_time for each in messages], TIMESTAMP),
    }


class _ParseEvents(beam.DoFn):
    def __init__(
        self, event_types: tuple[str, ...], max_event_bytes: int, context: Context
    ) -> None:
        self._arguments = event_types, max_event_bytes, context

    def setup(self) -> None:
        event_types, max_event_bytes, context = self._arguments
        self._parser = EventParser(EventTypes(event_types), max_event_bytes, context)

    def process(self, block: RawBlock) -> Iterator[EventBlock]:
        return self._parser.parse(block)


class ParseEvents(beam.PTransform):
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
        return blocks | beam.ParDo(self._do_fn).with_output_types(EventBlock)
