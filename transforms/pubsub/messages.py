"""What a Pub/Sub message brings beside its payload, and how its messages become blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from transforms.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    Context,
    MessageInfo,
    PendingAcks,
    RawBlock,
    Rejection,
    too_large,
)
from transforms.read import BYTE_ORDER_MARK, PEEK_BYTES, detect_file_format

STEP = "ReadPubSub"

_WHITE = b" \t\r\n"


class Message(NamedTuple):
    """A message that was pulled.

    Attributes:
        data: Its payload, whatever it is.
        info: Which message it is.
        ack_id: Acknowledges this delivery of it.
    """

    data: bytes
    info: MessageInfo
    ack_id: str


def context_of(info: MessageInfo) -> Context:
    """What the attributes of a message say of the events in it; an empty one says nothing."""
    known = info.attributes
    return Context(
        event_type=known.get("event") or None,
        project_id=known.get("project_id") or None,
        account_id=known.get("account_id") or None,
        provider=known.get("provider") or None,
        message=info,
    )


class BlockBuilder:
    """Gathers messages until they are enough for a block.

    Args:
        subscription: Where they come from.
        max_event_bytes: The longest message that is kept whole, in bytes.
        acknowledges: Whether the messages are this project's to acknowledge; if not, their
            receipts say nothing of them but their age.
    """

    def __init__(
        self, subscription: str, max_event_bytes: int, *, acknowledges: bool = True
    ) -> None:
        self._subscription = subscription
        self._max_event_bytes = max_event_bytes
        self._acknowledges = acknowledges
        self._clear()

    def _clear(self) -> None:
        self._payloads: list[bytes] = []
        self._offsets: list[int] = []
        self._contexts: list[Context] = []
        self._rejections: list[Rejection] = []
        self._ack_ids: list[str] = []
        self._oldest = 0
        self._bytes = 0
        self._count = 0

    def add(self, messages: Iterable[Message]) -> Iterator[RawBlock]:
        """Adds messages; yields the blocks that are full."""
        for message in messages:
            self._add(message)
            if self._bytes >= BLOCK_BYTES or self._count >= BLOCK_ROWS:
                yield self._block()

    def rest(self) -> Iterator[RawBlock]:
        """Yields what is left as a block, if there is anything."""
        if self._count:
            yield self._block()

    def _add(self, message: Message) -> None:
        data, info, ack_id = message
        if not self._count:
            self._oldest = info.publish_time
        self._count += 1
        if self._acknowledges:
            self._ack_ids.append(ack_id)
        self._oldest = min(self._oldest, info.publish_time)
        self._bytes += len(data)
        context = context_of(info)
        limit = self._max_event_bytes
        if len(data) > limit:
            digest = hashlib.sha256(data).hexdigest()
            rejection = too_large(data, 0, limit, len(data), digest)
            self._rejections.append(replace(rejection, step=STEP, context=context))
            return
        for payload, offset in payloads_of(data):
            self._payloads.append(payload)
            self._offsets.append(offset)
            self._contexts.append(context)

    def _block(self) -> RawBlock:
        block = RawBlock(
            self._subscription,
            self._payloads,
            self._offsets,
            rejections=self._rejections,
            contexts=self._contexts,
            pending_acks=PendingAcks(self._subscription, self._ack_ids, self._oldest),
        )
        self._clear()
        return block


def payloads_of(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The payloads in a message: one document as a rule, or lines, as a file can hold either.

    Yields:
        Each with its offset in the message, in bytes. White space alone is none.
    """
    payload = data.removeprefix(BYTE_ORDER_MARK).lstrip(_WHITE)
    offset = len(data) - len(payload)
    payload = payload.rstrip(_WHITE)
    if not payload:
        return
    if b"\n" not in payload or detect_file_format(payload[:PEEK_BYTES]) == "document":
        yield payload, offset
        return
    for line in payload.split(b"\n"):
        if line.strip(_WHITE):
            yield line.removesuffix(b"\r"), offset
        offset += len(line) + 1
