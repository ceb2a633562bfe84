"""The blocks that the steps pass on: RawBlock, EventBlock and EncodedBlock.

A block holds up to BLOCK_BYTES of payloads with their origin, and is the unit of work and of
commit: the cost that Beam has per element is paid once per block, not once per event. Blocks stay
inside one fused stage. Only bytes and small records cross a GroupByKey.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
import pyarrow as pa

from schemas.counts import Counts
from transforms.blocks.coder import with_block_coder
from transforms.blocks.context import Context
from transforms.blocks.ledger import Ledger
from transforms.blocks.origin import InputNote, PendingAcks, Span
from transforms.blocks.rejection import Rejection
from transforms.local import Progress


@with_block_coder
@dataclass(frozen=True, slots=True)
class RawBlock:
    """The payloads that a reader read together: lines, documents or messages.

    Attributes:
        source: Path or subscription.
        payloads: One per line, document or message.
        offsets: Offset of each payload in the source, in bytes after decompression.
        span: The bytes of the source that this block accounts for, or None.
        rejections: The payloads that the reader rejected.
        note: Length and damage of the input, on its last block, if only its reader knows them.
        contexts: The context of each payload, or None if none has one.
        input: The input that `span` belongs to, or None if it is the source.
        pending_acks: The acknowledgements of the messages, or None for files.
    """

    source: str
    payloads: list[bytes]
    offsets: list[int]
    span: Span | None = None
    rejections: list[Rejection] = field(default_factory=list)
    note: InputNote | None = None
    contexts: list[Context] | None = None
    input: str | None = None
    pending_acks: PendingAcks | None = None

    @property
    def size(self) -> int:
        """Bytes of the payloads."""
        return sum(map(len, self.payloads))


@with_block_coder
@dataclass(frozen=True, slots=True)
class EventBlock:
    """The job events of a RawBlock as columns, one row per event, and the other outcomes.

    A RawBlock with many events becomes several of these. Only the last one has `span`, `note`,
    `input` and `pending_acks`, which mean the same as in RawBlock.

    Attributes:
        source: Path or subscription.
        events: The columns.
        payloads: The text of each row, in case a later step rejects the row.
        contexts: The context of each row.
        rejections: The payloads that were rejected so far.
        ignored: Envelopes of other types, counted by type.
        read: Number of events that were found: rows, rejections and ignored ones.
        unreadable: The shapes of timestamps that were given and could not be read, by field.
        assumed_timezone: Number of timestamps that were read in the assumed time zone.
    """

    source: str
    events: pa.RecordBatch
    payloads: list[bytes]
    contexts: list[Context]
    rejections: list[Rejection] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    read: int = 0
    unreadable: dict[str, Counts] = field(default_factory=dict)
    assumed_timezone: int = 0
    span: Span | None = None
    note: InputNote | None = None
    input: str | None = None
    pending_acks: PendingAcks | None = None

    @property
    def size(self) -> int:
        """Bytes of the payloads and of the columns."""
        return sum(map(len, self.payloads)) + self.events.nbytes

    def one_by_one(self) -> Iterator[EventBlock]:
        """Yields a block for each row, and last a block without rows that has all the rest."""
        for row, (payload, context) in enumerate(zip(self.payloads, self.contexts, strict=True)):
            yield EventBlock(self.source, self.events.slice(row, 1), [payload], [context])
        yield replace(self, events=self.events.slice(0, 0), payloads=[], contexts=[])

    def reject(self, rows: Sequence[int], code: str, step: str, message: str) -> EventBlock:
        """Returns the block with some of its rows as rejections."""
        keep = np.ones(len(self.payloads), bool)
        keep[list(rows)] = False
        offsets = self.events.column("source_offset").to_pylist()
        rejections = [
            Rejection(
                code, step, None, message, self.payloads[row], offsets[row], self.contexts[row]
            )
            for row in rows
        ]
        return replace(
            self,
            events=self.events.filter(pa.array(keep)),
            payloads=list(compress(self.payloads, keep)),
            contexts=list(compress(self.contexts, keep)),
            rejections=self.rejections + rejections,
        )


@dataclass(frozen=True, slots=True)
class AvroBlock:
    """A block of an Avro file: the number of its records, and their data after compression."""

    count: int
    data: bytes


@with_block_coder
@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """The events of an EventBlock as Avro, ready to be appended to files.

    Its ledger has the counts and the spans of the block. Only the sink counts records as written.
    """

    records: AvroBlock | None
    dead_letters: AvroBlock | None
    ledger: Ledger

    @property
    def size(self) -> int:
        """Bytes of the encoded records and dead letters."""
        return sum(len(each.data) for each in (self.records, self.dead_letters) if each)

    @property
    def progress(self) -> Progress:
        """The progress of a run by this block."""
        return Progress(
            read=self.ledger.read,
            written=0 if self.records is None else self.records.count,
            dead_lettered=0 if self.dead_letters is None else self.dead_letters.count,
            ignored=self.ledger.ignored,
        )
