"""What the steps hand on: a block of payloads, and what became of it.

A block is about 4 MiB of payloads with their origin. It is the unit of work and of commit: Beam's
cost per element is paid once a block, not once an event. Blocks stay inside one fused stage; what
crosses a GroupByKey is made of bytes and of small records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
import pyarrow as pa

from transforms.blocks.coder import with_block_coder
from transforms.blocks.context import Context
from transforms.blocks.ledger import Ledger
from transforms.blocks.origin import InputNote, PendingAcks, Span
from transforms.blocks.rejection import Rejection
from transforms.local import Progress

BLOCK_BYTES = 4 << 20
"""Size of a block, in bytes of payload. Measured: 2 MiB costs a tenth more an event, as fewer rows
share what a call of Arrow costs by itself; 8 MiB saves a twentieth, and takes twice the memory."""


@with_block_coder
@dataclass(frozen=True, slots=True)
class RawBlock:
    """Payloads as they were read.

    Attributes:
        source: Path or subscription.
        payloads: One a line, a document or a message.
        offsets: Of each payload in the source, in bytes after decompression.
        span: The bytes of the source that this block accounts for, or None.
        rejections: What the reader itself had to reject.
        note: Comes with the last block of an input whose length only its reader knows.
        contexts: What is known of each payload beside its text, or None where nothing is.
        input: The input that `span` is of, or None where that is the source.
        receipt: Acknowledges the messages of the payloads, or None where they are no messages.
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
    """The job events of a block as columns, one row an event, and what was not an event.

    Attributes:
        source: Path or subscription.
        events: The columns.
        payloads: The text of each row, kept in case a later step rejects the row.
        contexts: What is known of each row's payload beside its text.
        rejections: What became dead letters so far.
        ignored: Envelopes of other types, counted by type.
        read: Events that were found: rows, rejections and ignored ones.
        unreadable_timestamps: How many timestamps were given but could not be read.
        span: As in RawBlock.
        note: As in RawBlock.
        input: As in RawBlock.
        receipt: As in RawBlock; of several blocks that one became, the last has it.
    """

    source: str
    events: pa.RecordBatch
    payloads: list[bytes]
    contexts: list[Context]
    rejections: list[Rejection] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    read: int = 0
    unreadable_timestamps: int = 0
    span: Span | None = None
    note: InputNote | None = None
    input: str | None = None
    pending_acks: PendingAcks | None = None

    @property
    def size(self) -> int:
        """Bytes of the payloads and of the columns."""
        return sum(map(len, self.payloads)) + self.events.nbytes

    def one_by_one(self) -> Iterator[EventBlock]:
        """Yields a block for each row, then what belongs to the block as a whole, without rows."""
        for row, (payload, context) in enumerate(zip(self.payloads, self.contexts, strict=True)):
            yield EventBlock(self.source, self.events.slice(row, 1), [payload], [context])
        yield replace(self, events=self.events.slice(0, 0), payloads=[], contexts=[])

    def reject(self, rows: Sequence[int], code: str, step: str, message: str) -> EventBlock:
        """Turns rows into rejections."""
        keep = np.ones(len(self.payloads), bool)
        keep[list(rows)] = False
        offsets = self.events.column("source_offset")
        rejections = [
            Rejection(
                code,
                step,
                None,
                message,
                self.payloads[row],
                offsets[row].as_py(),
                self.contexts[row],
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
    """A block of an Avro file.

    Attributes:
        count: How many records are in it.
        data: Their encoding, compressed by the codec.
    """

    count: int
    data: bytes


@with_block_coder
@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """What a block has become.

    Attributes:
        records: The job status events, or None.
        dead_letters: The dead letters, or None.
        books: What the block accounts for; records are counted as written by the sink alone.
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
        """What it adds to what was done."""
        dead_letters = 0 if self.dead_letters is None else self.dead_letters.count
        return Progress(events=self.ledger.read, dead_letters=dead_letters)
