"""ParseEvents: finds the job events in blocks of payloads and makes columns of them.

The columns hold every field of a JobStatusEvent that is not derived. A row costs a few
microseconds: per row, Python code only decodes the payload and hashes the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import tzinfo
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from schemas.counts import Counts
from schemas.record_kinds import JOB
from transforms.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    CONTEXT_KEYS,
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
from transforms.parse.accounts import Accounts
from transforms.parse.batch import add_batch
from transforms.parse.event_id import event_ids
from transforms.parse.event_types import DEFAULT_EVENT_TYPES, EventTypes
from transforms.parse.fields import Record, with_fallback
from transforms.parse.one_by_one import STEP, EventFinder, Found, Rows
from transforms.parse.timestamps import parse_timestamps
from transforms.parse.unreadable import unreadable_shapes

_ROW_BYTES = 100
"""Least memory of a row beside its payload. It limits the rows from a document of tiny payloads."""


class EventParser:
    """Parses blocks; the pure part of ParseEvents, with the same arguments."""

    def __init__(
        self,
        event_types: EventTypes,
        max_event_bytes: int,
        context: Context,
        accounts: Accounts | None = None,
        assumed_zone: tzinfo | None = None,
    ) -> None:
        self._event_types = event_types
        self._finder = EventFinder(event_types, max_event_bytes)
        self._context = context
        self._accounts = accounts
        self._assumed_zone = assumed_zone

    def parse(self, block: RawBlock) -> Iterator[EventBlock]:
        """Parses a block into columns; into several blocks if its payloads hold many events.

        Only the last of them has the span, the note and the acknowledgements of the block.
        """
        flags = self._context
        if block.contexts is None:
            contexts = [flags] * len(block.payloads)
        else:
            contexts = [with_fallback(each, flags) for each in block.contexts]
        rejections = [
            replace(each, context=with_fallback(each.context, flags)) for each in block.rejections
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
        """Finds the events of a block and yields them each time there are enough for a block."""
        for start in range(0, max(len(block.payloads), 1), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            rows, others = self._add_batch(
                block.payloads[part], block.offsets[part], contexts[part]
            )
            added_bytes = 0
            for position in others:
                at = start + position
                found = Found(block.payloads[at], block.offsets[at], contexts[at])
                _isolate(self._finder.find, found, rows)
                while (element := rows.next_element()) is not None:
                    _isolate(self._finder.find_in_element, element, rows)
                    added_bytes += len(element.payload) + _ROW_BYTES
                    if added_bytes >= BLOCK_BYTES:
                        yield rows
                        rows, added_bytes = rows.next_block(), 0
            yield rows

    def _add_batch(
        self, payloads: list[bytes], offsets: list[int], contexts: list[Context]
    ) -> tuple[Rows, list[int]]:
        """Returns the rows of the common payloads, and the positions of the other payloads."""
        rows = Rows()
        try:
            return rows, add_batch(payloads, offsets, contexts, self._event_types, rows)
        except Exception as error:
            # On an unexpected exception, all payloads are parsed one by one.
            log_bug(STEP, error)
            return Rows(), list(range(len(payloads)))

    def _with_columns(self, source: str, rows: Rows) -> Iterator[EventBlock]:
        """Makes a block of the rows. On an unexpected exception, a block of each row."""
        try:
            block = self._block(source, rows)
        except Exception as error:
            log_bug(STEP, error)
        else:
            yield block
            return
        yield self._block(source, Rows(rejections=rows.rejections, ignored=rows.ignored))
        for found in map(Found, rows.payloads, rows.offsets, rows.contexts):
            # A row's payload can be parsed again on its own.
            one = Rows()
            try:
                self._finder.find(found, one)
                block = self._block(source, one)
            except Exception as error:
                one = Rows()
                one.reject("INTERNAL", type(error).__name__, found)
                block = self._block(source, one)
            yield block

    def _block(self, source: str, rows: Rows) -> EventBlock:
        read = len(rows.payloads) + len(rows.rejections) + sum(rows.ignored.values())
        columns = columns_of(source, rows, self._accounts, self._assumed_zone)
        return EventBlock(
            source,
            columns.events,
            rows.payloads,
            rows.contexts,
            rows.rejections,
            rows.ignored,
            read,
            columns.unreadable,
            columns.assumed_timezone,
        )


def _isolate(find: Callable[[Found, Rows], None], found: Found, rows: Rows) -> None:
    """Parses a payload. On an unexpected exception, rejects only this payload as INTERNAL."""
    try:
        find(found, rows)
    except Exception as error:
        rows.reject("INTERNAL", type(error).__name__, found)


class Columns(NamedTuple):
    """The columns PARSED of the events of a block, and what was noticed about their timestamps.

    Attributes:
        unreadable: The shapes of those that could not be read, by field.
        assumed_timezone: The number of those that were read in the assumed time zone.
    """

    events: pa.RecordBatch
    unreadable: dict[str, Counts]
    assumed_timezone: int


def columns_of(
    source: str,
    rows: Rows,
    accounts: Accounts | None = None,
    assumed_zone: tzinfo | None = None,
) -> Columns:
    """Makes the columns of the rows."""
    columns: dict[str, pa.Array] = dict(rows.texts.columns())
    for name in CONTEXT_KEYS:
        columns[name] = _with_context(columns[name], rows.contexts, name)
    providers = columns["provider"]
    for field in PARSED:
        if field.type == SHARED_TEXT and field.name in columns:
            columns[field.name] = columns[field.name].dictionary_encode(null_encoding="encode")
    indices = pa.array(rows.status_indices, pa.int32())
    texts = rows.status_texts
    columns["job_status_json"] = pa.DictionaryArray.from_arrays(
        indices, strings([each.job_status_json for each in texts])
    )
    count = len(rows.payloads)
    columns |= _columns_of_kinds(rows)
    columns["event_id"] = event_ids(columns, rows.payloads)
    # The identity covers only the provider that belongs to the event.
    named = providers
    if accounts is not None and providers.null_count:
        named = pc.coalesce(providers, accounts.providers_of(columns["account_id"]))
    known = _with_context(named, rows.contexts, "default_provider")
    if known is not providers:
        columns["provider"] = known.dictionary_encode(null_encoding="encode")

    unreadable: dict[str, Counts] = {}
    assumed_timezone = 0
    for name in ("event_date", "created_at", "updated_at"):
        given = columns[name]
        times, assumed = parse_timestamps(given, assumed_zone)
        columns[f"{name} read"] = times
        assumed_timezone += assumed
        if shapes := unreadable_shapes(given, times):
            unreadable[name] = shapes
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
    columns["source"] = constant(source, count)
    columns["source_offset"] = pa.array(rows.offsets, pa.int64())
    messages = [each.message for each in rows.contexts]
    if any(messages):
        times = [each and each.publish_time for each in messages]
        columns["message_id"] = strings([each and each.message_id for each in messages])
        columns["publish_time"] = pa.array(times, TIMESTAMP)
    else:
        columns["message_id"] = pa.nulls(count, pa.string())
        columns["publish_time"] = pa.nulls(count, TIMESTAMP)
    batch = pa.RecordBatch.from_arrays([columns[name] for name in PARSED.names], schema=PARSED)
    return Columns(batch, unreadable, assumed_timezone)


def _columns_of_kinds(rows: Rows) -> dict[str, pa.Array]:
    count = len(rows.payloads)
    if not rows.others:
        nulls = pa.nulls(count, pa.string())
        types = constant(JOB.name, count)
        return {"record_type": types, "posting_id": nulls, "remote_posting_id": nulls}
    job = Record()
    records = [rows.others.get(row, job) for row in range(count)]
    return {
        "record_type": strings([each.record_type for each in records]).dictionary_encode(),
        "posting_id": strings([each.posting_id for each in records]),
        "remote_posting_id": strings([each.remote_posting_id for each in records]),
    }


def _with_context(column: pa.StringArray, contexts: list[Context], name: str) -> pa.StringArray:
    if not column.null_count:
        return column
    if contexts.count(contexts[0]) == len(contexts):
        shared = getattr(contexts[0], name)
        return column if shared is None else column.fill_null(shared)
    return pc.coalesce(column, strings([getattr(each, name) for each in contexts]))


class _ParseEvents(beam.DoFn):
    def __init__(self, parser: EventParser) -> None:
        self._parser = parser

    def process(self, block: RawBlock) -> Iterator[EventBlock]:
        return self._parser.parse(block)


class ParseEvents(beam.PTransform):
    """Finds the job events in blocks of payloads.

    Args:
        event_types: Shell-style patterns of the wanted events; others are counted and ignored.
        max_event_bytes: Longest job of a page or element of an array, in bytes.
        context: Values for every event whose payload and message have none.
        accounts: The providers of accounts, for events whose payload and message name none.
        assumed_zone: The time zone of timestamps without an offset; None to leave them null.

    Returns:
        A collection of EventBlock.
    """

    def __init__(
        self,
        *,
        event_types: tuple[str, ...] = DEFAULT_EVENT_TYPES,
        max_event_bytes: int = 10_000_000,
        context: Context = NO_CONTEXT,
        accounts: Accounts | None = None,
        assumed_zone: tzinfo | None = None,
    ) -> None:
        super().__init__()
        types = EventTypes(event_types)
        self._parser = EventParser(types, max_event_bytes, context, accounts, assumed_zone)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | beam.ParDo(_ParseEvents(self._parser)).with_output_types(EventBlock)
