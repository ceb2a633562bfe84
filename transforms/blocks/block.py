"""What the steps hand on: a block of payloads, and what became of it.

A block is about 4 MiB of payloads with their origin. It is the unit of work and of commit: Beam's
cost per element is paid once a block, not once an event. Blocks stay inside one fused stage; what
crosses a GroupByKey is made of bytes and of small records.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from transforms.blocks.coder import with_block_coder

Result = TypeVar("Result")

_LOGGER = logging.getLogger(__name__)

BLOCK_BYTES = 4 << 20
"""Size of a block, in bytes of payload. Measured: 2 MiB costs a tenth more an event, as fewer rows
share what a call of Arrow costs by itself; 8 MiB saves a twentieth, and takes twice the memory."""

PAYLOAD_HEAD_BYTES = 64 << 10
"""How much is kept of a payload that is over the limit, in bytes."""


class Span(NamedTuple):
    """The bytes [start, end) of a source, counted after decompression."""

    start: int
    end: int


class MessageInfo(NamedTuple):
    """Which Pub/Sub message a payload came in.

    Attributes:
        message_id: Given by the server.
        publish_time: Microseconds since 1970, UTC.
        attributes: As they were published.
    """

    message_id: str
    publish_time: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a payload beside its own text; what the text says wins over it.

    Attributes:
        message: The message it came in. Two contexts are equal that say the same of payloads.
        attempt: How often it was replayed.
    """

    event_type: str | None = None
    event_date: str | None = None
    project_id: str | None = None
    account_id: str | None = None
    provider: str | None = None
    message: MessageInfo | None = field(default=None, compare=False)
    attempt: int = field(default=0, compare=False)


NO_CONTEXT = Context()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a payload became a dead letter: a value, not an exception.

    Attributes:
        code: One of the error codes of the dead letter schema.
        step: The transform that rejected it.
        path: JSON path within `payload`, or None.
        message: What is wrong, for people. Never holds a value of the data.
        payload: The smallest text that can be replayed by itself; a head of it where it was cut.
        offset: Of the payload in its source, in bytes, or None.
        context: What the payload does not say itself.
        full_size: Bytes of the whole payload where `payload` is a head of it, else None.
        full_sha256: Hex digest of the whole payload where `payload` is a head of it, else None.
    """

    code: str
    step: str
    path: str | None
    message: str
    payload: bytes
    offset: int | None
    context: Context = NO_CONTEXT
    full_size: int | None = None
    full_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class InputNote:
    """What a reader learned of a whole input when it came to its end.

    Attributes:
        path: The input.
        end: Its length in bytes after decompression, as far as it could be read.
        damage: What is wrong with it, or None.
    """

    path: str
    end: int
    damage: str | None = None


class PendingAcks(NamedTuple):
    """What acknowledges the messages of a block, once what became of them is committed.

    Attributes:
        subscription: Where they were pulled from.
        ack_ids: One for each message, those without a payload or an event included; none where
            the engine acknowledges by itself.
        oldest: When the oldest of them was published, in microseconds since 1970.
    """

    subscription: str
    ack_ids: list[str]
    oldest: int


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


def log_bug(step: str, error: Exception) -> None:
    """Logs where a bug is; what the exception says may hold a value of the data."""
    kind = type(error).__name__
    said = {"step": step}
    _LOGGER.error("%s on a block in %s; trying its rows one by one", kind, step, extra=said)
    _LOGGER.debug("%s", "".join(traceback.format_tb(error.__traceback__)), extra=said)


def isolating(
    step: str, work: Callable[[EventBlock], Result], block: EventBlock
) -> Iterator[Result]:
    """Does the work of a step; should a bug in it meet a row, only that row is lost to INTERNAL.

    Args:
        step: The name of the step.
        work: Works on a block; raises only where there is a bug.
        block: What to work on.

    Yields:
        The result for the block, or one for each of its rows, and last one for what belongs to
        it as a whole, where the work failed on it whole.
    """
    try:
        result = work(block)
    except Exception as error:
        log_bug(step, error)
    else:
        yield result
        return
    *rows, whole = block.one_by_one()
    for row in rows:
        try:
            result = work(row)
        except Exception as error:
            result = work(row.reject([0], "INTERNAL", step, type(error).__name__))
        yield result
    yield work(whole)
