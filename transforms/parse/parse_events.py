"""ParseEvents: finds the job events in blocks of payloads and makes rows of them.

The kernel finds the events of ordinary payloads and pages, `one_by_one` those of all others. The
kernel finishes all rows: their times, identities and combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import tzinfo
from typing import Any

import apache_beam as beam
import numpy as np

from schemas.record_kinds import JOB
from transforms.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    NO_CONTEXT,
    NO_STATUS,
    Combination,
    Context,
    EventBlock,
    RawBlock,
)
from transforms.kernel import (
    NO_ROWS,
    Combinations,
    FinishedRows,
    Int32s,
    Int64s,
    Page,
    PageFinder,
    Payloads,
    Rows,
    Scanner,
)
from transforms.parse.accounts import Accounts, with_accounts
from transforms.parse.event_types import DEFAULT_EVENT_TYPES, EventTypes
from transforms.parse.fields import with_fallback
from transforms.parse.one_by_one import EventFinder, Outcomes
from transforms.parse.raw_status import WrongTypeError, status_text
from transforms.parse.row_builder import Found, context_texts
from transforms.parse.timestamps import assume_zone
from transforms.parse.unreadable import unreadable_shapes

_ROW_BYTES = 100
"""Least memory of a row beside its payload. It limits the rows from a document of tiny payloads."""

_WANTED, _UNWANTED, _NOT_ORDINARY = range(3)
"""What happens to the events of a combination."""


class RowFinisher:
    """Finishes rows, and decides once for each combination what happens to its events."""

    def __init__(self, event_types: EventTypes) -> None:
        self._event_types = event_types
        self._start_table()

    def _start_table(self) -> None:
        self._table = Combinations()
        self.combinations: list[Combination] = []
        self._decisions = bytearray()

    def finish(self, rows: Rows, contexts: list[Context]) -> tuple[FinishedRows, np.ndarray]:
        """Returns the finished rows, and the decision about each."""
        if self._table.is_full:
            self._start_table()
        finished = self._table.finish(rows, context_texts(contexts))
        for texts in self._table.new_texts():
            combination, decision = self._decide(*texts)
            self.combinations.append(combination)
            self._decisions.append(decision)
        return finished, np.frombuffer(self._decisions, np.uint8)[finished.combinations]

    def _decide(
        self,
        status: bytes | None,
        provider: bytes | None,
        event_type: bytes | None,
        legacy_status: bytes | None,
        record_type: bytes | None,
    ) -> tuple[Combination, int]:
        event, record = _decoded(event_type), _decoded(record_type) or JOB.name
        kind = None if event is None else self._event_types(event)
        text, decision = NO_STATUS, _WANTED
        if event is not None and kind is None:
            decision = _UNWANTED
        elif kind is not None and kind.name != record:
            decision = _NOT_ORDINARY
        else:
            try:
                text = status_text(status or b"")
            except WrongTypeError:
                decision = _NOT_ORDINARY
        combination = Combination(_decoded(provider), event, _decoded(legacy_status), record, text)
        return combination, decision


def _decoded(text: bytes | None) -> str | None:
    return None if text is None else text.decode()


class _Batch:
    """The events and other outcomes of a block so far.

    Attributes:
        payloads: The payloads of the block.
        contexts: The contexts of its payloads and of its pages.
        outcomes: What `one_by_one` found.
        bytes: Size of the elements of arrays and pages.
    """

    def __init__(self, payloads: Payloads, contexts: list[Context], outcomes: Outcomes) -> None:
        self.payloads = payloads
        self.contexts = contexts
        self.outcomes = outcomes
        self.bytes = 0
        self._parts: list[Rows] = []

    @property
    def is_full(self) -> bool:
        """True if there are enough events for a block."""
        return self.bytes >= BLOCK_BYTES or sum(map(len, self._parts)) >= BLOCK_ROWS

    def restart(self) -> None:
        """Removes what was found. Pending arrays stay."""
        self.outcomes = self.outcomes.next_block()
        self.bytes = 0
        self._parts = []

    def add(self, places: Int64s, offsets: Int64s, context_of: Int32s) -> None:
        """Adds events whose texts are in the block."""
        self._parts.append(Rows(self.payloads.text, places, offsets, context_of))

    def groups(self) -> Iterator[tuple[Rows, list[Context]]]:
        """Yields the events whose texts are in the block, and those that Python made."""
        if self._parts:
            yield Rows.joined(self._parts), self.contexts
        if self.outcomes.rows:
            yield self.outcomes.rows.rows(), self.outcomes.rows.contexts


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
        self._max_event_bytes = max_event_bytes
        self._accounts = accounts
        self._assumed_zone = assumed_zone
        self._finder = EventFinder(event_types, max_event_bytes)
        self._context = context
        self._scanner = Scanner()
        self._pages = PageFinder()
        self._finisher = RowFinisher(event_types)

    def parse(self, block: RawBlock) -> Iterator[EventBlock]:
        """Parses a block into rows; into several blocks if its payloads hold many events.

        Only the last of them has the span, the note and the acknowledgements of the block.
        """
        held: EventBlock | None = None
        for batch in self._batches(block):
            for parsed in self._event_blocks(block.source, batch):
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

    def _batches(self, block: RawBlock) -> Iterator[_Batch]:
        """Finds the events of a block, and yields them each time there are enough for a block."""
        flags, payloads = self._context, block.payloads
        contexts = [flags]
        context_of = np.zeros(len(payloads), np.int32)
        if block.contexts is not None:
            contexts = [with_fallback(each, flags) for each in block.contexts]
            context_of = np.arange(len(payloads), dtype=np.int32)
        rejections = [
            each._replace(context=with_fallback(each.context, flags)) for each in block.rejections
        ]
        batch = _Batch(payloads, contexts, Outcomes(rejections=rejections))
        for start in range(0, len(payloads), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            starts, ends, offsets = payloads.starts[part], payloads.ends[part], block.offsets[part]
            scanned = self._scanner.scan(payloads.text, starts, ends, payloads.line_feed)
            which, others = scanned.payload_of, scanned.others
            batch.add(scanned.places, offsets[which], context_of[part][which])
            columns = (starts, ends, offsets, context_of[part])
            for other in zip(*(each[others].tolist() for each in columns), strict=True):
                yield from self._find_in_other(batch, *other)
            if start + BLOCK_ROWS < len(payloads):
                yield batch
                batch.restart()
        yield batch

    def _find_in_other(
        self, batch: _Batch, start: int, end: int, offset: int, context_number: int
    ) -> Iterator[_Batch]:
        """Finds the events of a payload that is not ordinary; yields the batch when it is full."""
        text, context = batch.payloads.text, batch.contexts[context_number]
        page = self._pages.find(text, start, end, batch.payloads.line_feed)
        if page is not None:
            of_page = _page_context(page, context)
            if of_page.event_type is None or self._event_types(of_page.event_type):
                yield from self._find_in_page(batch, page, offset - start, of_page)
                return
        found = Found(text[start:end], offset, context)
        _isolate(self._finder.find, found, batch.outcomes)
        yield from self._find_in_element(batch, batch.outcomes.next_element())

    def _find_in_page(
        self, batch: _Batch, page: Page, shift: int, context: Context
    ) -> Iterator[_Batch]:
        """Finds the events of a page; `shift` is from places in the text to offsets."""
        text, line_feed = batch.payloads.text, batch.payloads.line_feed
        batch.contexts.append(context)
        after = page.start
        while after:
            starts, ends, scanned, after = self._pages.scan(
                text, after, line_feed, self._max_event_bytes, BLOCK_BYTES - batch.bytes
            )
            which = scanned.payload_of
            context_of = np.full(len(which), len(batch.contexts) - 1, np.int32)
            batch.add(scanned.places, starts[which] + shift, context_of)
            batch.bytes += int(ends[-1] - starts[0])
            others = scanned.others
            for start, end in zip(starts[others].tolist(), ends[others].tolist(), strict=True):
                found = Found(text[start:end], start + shift, context, page.are_jobs)
                yield from self._find_in_element(batch, found)
            if batch.is_full:
                yield batch
                batch.restart()

    def _find_in_element(self, batch: _Batch, found: Found | None) -> Iterator[_Batch]:
        """Finds the events of an element, and then those of all pending elements."""
        while found is not None:
            _isolate(self._finder.find_in_element, found, batch.outcomes)
            batch.bytes += len(found.payload) + _ROW_BYTES
            if batch.is_full:
                yield batch
                batch.restart()
            found = batch.outcomes.next_element()

    def _event_blocks(self, source: str, batch: _Batch) -> Iterator[EventBlock]:
        """Finishes the rows of a batch. The last block has its other outcomes."""
        outcomes = batch.outcomes
        block = EventBlock(source, NO_ROWS, [], [])
        for rows, contexts in batch.groups():
            known = contexts
            if self._accounts is not None:
                rows, known, contexts = with_accounts(rows, contexts, self._accounts)
            events, decisions = self._finisher.finish(rows, known)
            if decisions.any():
                self._put_apart(events, decisions, contexts, outcomes)
                events = events.taken(decisions == _WANTED)
            if len(block.events):
                yield block
            if len(events):
                block = self._event_block(source, events, contexts)
        read = len(block.events) + len(outcomes.rejections) + sum(outcomes.ignored.values())
        yield replace(block, rejections=outcomes.rejections, ignored=outcomes.ignored, read=read)

    def _event_block(
        self, source: str, events: FinishedRows, contexts: list[Context]
    ) -> EventBlock:
        zone = self._assumed_zone
        assumed = 0 if zone is None else assume_zone(events, zone)
        return EventBlock(
            source,
            events,
            contexts,
            self._finisher.combinations,
            read=len(events),
            unreadable=unreadable_shapes(events),
            assumed_timezone=assumed,
        )

    def _put_apart(
        self,
        events: FinishedRows,
        decisions: np.ndarray,
        contexts: list[Context],
        outcomes: Outcomes,
    ) -> None:
        """Adds the events that are not wanted to the other outcomes, and reads some one by one.

        Those are events of another kind than a job, or with a wrong type of status.
        """
        rows = events.rows
        unwanted = np.bincount(events.combinations[decisions == _UNWANTED])
        for number in np.flatnonzero(unwanted).tolist():
            event_type = self._finisher.combinations[number].event_type
            outcomes.ignore(event_type or "", int(unwanted[number]))
        for row in np.flatnonzero(decisions == _NOT_ORDINARY).tolist():
            context = contexts[rows.context_of[row]]
            found = Found(rows.payload(row), int(rows.offsets[row]), context)
            _isolate(self._finder.find_by_fields, found, outcomes)


def _page_context(page: Page, context: Context) -> Context:
    own = (None if text is None else text.decode() for text in page.fields)
    event_type, event_date, project_id, account_id, provider = own
    return with_fallback(Context(event_type, event_date, project_id, account_id, provider), context)


def _isolate(find: Callable[[Found, Outcomes], None], found: Found, outcomes: Outcomes) -> None:
    """Parses a payload. On an unexpected exception, rejects only this payload as INTERNAL."""
    try:
        find(found, outcomes)
    except Exception as error:
        outcomes.reject("INTERNAL", type(error).__name__, found)


class _ParseEvents(beam.DoFn):
    def __init__(self, *settings: Any) -> None:
        self._settings = settings

    def setup(self) -> None:
        # The memory of a parser is large, and only for its own process.
        self._parser = EventParser(*self._settings)

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
        self._parse = beam.ParDo(
            _ParseEvents(types, max_event_bytes, context, accounts, assumed_zone)
        )

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | self._parse.with_output_types(EventBlock)
