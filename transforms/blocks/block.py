"""The blocks that the steps pass on: RawBlock, EventBlock and EncodedBlock.

A block holds up to BLOCK_BYTES of payloads with their origin, and is the unit of work and of
commit: the cost that Beam has per element is paid once per block, not once per event. Blocks stay
inside one fused stage. Only bytes and small records cross a GroupByKey.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.counts import Counts
from transforms.blocks.coder import with_block_coder
from transforms.blocks.context import Context
from transforms.blocks.ledger import Ledger
from transforms.blocks.origin import InputNote, PendingAcks, Span
from transforms.blocks.rejection import Rejection
from transforms.blocks.status import Combination, JobStatus
from transforms.kernel import NO_PAYLOADS, PAYLOAD, FinishedRows, Payloads
from transforms.local import Progress


@with_block_coder
@dataclass(frozen=True, slots=True, eq=False)
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
    payloads: Payloads
    offsets: NDArray[np.int64]
    span: Span | None = None
    rejections: list[Rejection] = field(default_factory=list)
    note: InputNote | None = None
    contexts: list[Context] | None = None
    input: str | None = None
    pending_acks: PendingAcks | None = None

    @staticmethod
    def without_payloads(source: str, span: Span | None = None, **others: Any) -> RawBlock:
        """Returns a block that only has other attributes."""
        return RawBlock(source, NO_PAYLOADS, NO_PAYLOADS.starts, span, **others)

    @property
    def size(self) -> int:
        """Bytes of the payloads."""
        return int((self.payloads.ends - self.payloads.starts).sum())


@with_block_coder
@dataclass(frozen=True, slots=True, eq=False)
class EventBlock:
    """Job events of a RawBlock as rows, and the other outcomes of its payloads.

    A RawBlock becomes one or several of these. Only the last one has `span`, `note`, `input` and
    `pending_acks`, which mean the same as in RawBlock.

    Attributes:
        source: Path or subscription.
        events: The events.
        contexts: The contexts of the events.
        combinations: The combinations of the events, by their numbers. Later blocks share this list
            and add to it. When it is full, the next block starts another list.
        statuses: The derived status of each combination, or None before DeriveJobStatus. Blocks
            share this list as well.
        mapping_fingerprint: The mapping that they were derived with.
        rejections: The payloads that were rejected so far.
        ignored: Envelopes of other types, counted by type.
        read: Number of events that were found: rows, rejections and ignored ones.
        unreadable: The shapes of timestamps that were given and could not be read, by field.
        assumed_timezone: Number of timestamps that were read in the assumed time zone.
    """

    source: str
    events: FinishedRows
    contexts: list[Context]
    combinations: list[Combination]
    statuses: list[JobStatus] | None = None
    mapping_fingerprint: str = ""
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
        """Bytes of the payloads of the events."""
        places = self.events.rows.places[:, PAYLOAD]
        return int((places[:, 1] - places[:, 0]).sum())

    def __reduce__(self) -> tuple[type[EventBlock], tuple[Any, ...]]:
        """Pickles only the combinations of these events, for runners that do not fuse steps."""
        used, numbers = np.unique(self.events.combinations, return_inverse=True)
        combinations = [self.combinations[number] for number in used.tolist()]
        statuses = None
        if self.statuses is not None:
            statuses = [self.statuses[number] for number in used.tolist()]
        events = replace(self.events, combinations=numbers.astype(np.int32))
        small = {"events": events, "combinations": combinations, "statuses": statuses}
        return EventBlock, tuple(
            small.get(each.name, getattr(self, each.name)) for each in fields(self)
        )

    def reject(self, which: NDArray[np.bool_], code: str, step: str, message: str) -> EventBlock:
        """Returns the block with the events of a mask as rejections."""
        rows = self.events.rows
        rejections = [
            Rejection(
                code,
                step,
                None,
                message,
                rows.payload(row),
                int(rows.offsets[row]),
                self.contexts[rows.context_of[row]],
            )
            for row in np.flatnonzero(which).tolist()
        ]
        return replace(
            self, events=self.events.taken(~which), rejections=self.rejections + rejections
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
