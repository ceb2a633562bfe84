"""Makes rows of events that Python found, in the format of those that the kernel finds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schemas.avro import avro_text, zigzag_varint
from schemas.record_kinds import JOB
from transforms.blocks import CONTEXT_KEYS, Context
from transforms.kernel import FIELDS, PROVIDER, Contexts, Rows, TextBuffer
from transforms.parse.fields import Envelope, Record
from transforms.parse.masking import Fault


class Found(NamedTuple):
    """A payload of a block, or an element of an array inside such a payload.

    Attributes:
        payload: Its bytes, which may be anything.
        offset: Its offset in the source, in bytes.
        context: What is known of it beside its text.
        is_job: True if it must be a job because of its place.
        fault: Why it cannot be read, if that is already known.
    """

    payload: bytes
    offset: int
    context: Context
    is_job: bool = False
    fault: Fault | None = None


class RowBuilder:
    """Collects the events of several payloads, each with its context."""

    def __init__(self) -> None:
        self._buffer = TextBuffer()
        self._offsets: list[int] = []
        self._context_of: list[int] = []
        self.contexts: list[Context] = []

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, envelope: Envelope, record: Record, found: Found) -> None:
        """Adds an event."""
        status = None if record.status in (b"", b"null") else record.status
        self._buffer.add(
            *envelope[: PROVIDER + 1],
            None if record.record_type == JOB.name else record.record_type,
            None,
            record.job_id,
            record.remote_job_id,
            record.legacy_status,
            record.created_at,
            record.updated_at,
            status,
            record.posting_id,
            record.remote_posting_id,
            found.payload,
        )
        self._offsets.append(found.offset)
        if not self.contexts or self.contexts[-1] is not found.context:
            self.contexts.append(found.context)
        self._context_of.append(len(self.contexts) - 1)

    def rows(self) -> Rows:
        """Returns the rows of the events."""
        return Rows(
            self._buffer.text(),
            self._buffer.places().reshape(-1, FIELDS, 2),
            np.array(self._offsets, np.int64),
            np.array(self._context_of, np.int32),
        )


def context_texts(contexts: list[Context]) -> Contexts:
    """Returns the texts of contexts; their tails are the fields of the Pub/Sub message."""
    return Contexts.of([(_texts(each), _tail(each)) for each in contexts])


def _texts(context: Context) -> list[str | None]:
    own = [getattr(context, name) for name in CONTEXT_KEYS]
    return [*own, JOB.name, context.default_provider]


def _tail(context: Context) -> bytes:
    message = context.message
    if message is None:
        return b"\x00\x00"
    return avro_text(message.message_id) + b"\x02" + zigzag_varint(message.publish_time)
