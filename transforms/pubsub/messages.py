"""Turns Pub/Sub messages into raw blocks of payloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

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
from transforms.kernel import Payloads
from transforms.read import split_payloads

STEP = "ReadPubSub"


class Message(NamedTuple):
    """A pulled message: its payload; its id, publish time and attributes.

    `ack_id` acknowledges this delivery of it; it is empty if the runner acknowledges it.
    """

    data: bytes
    info: MessageInfo
    ack_id: str


def message_bytes(message: Message) -> int:
    """Returns the bytes of a message: its payload, its attributes and its ack id."""
    attributes = message.info.attributes
    size = len(message.data) + len(message.ack_id)
    if attributes:
        size += sum(len(name) + len(value) for name, value in attributes.items())
    return size


def message_context(info: MessageInfo) -> Context:
    """Returns the context that the attributes of a message give; empty attributes do not count."""
    known = info.attributes
    return Context(
        event_type=known.get("event") or None,
        project_id=known.get("project_id") or None,
        account_id=known.get("account_id") or None,
        provider=known.get("provider") or None,
        message=info,
    )


class BlockBuilder:
    """Collects messages into blocks, each with the ack ids of its messages.

    The source is the full name of the subscription or topic. A message over `max_event_bytes` is
    rejected.
    """

    def __init__(self, source: str, max_event_bytes: int) -> None:
        self._source = source
        self._max_event_bytes = max_event_bytes
        self._messages: list[Message] = []
        self._bytes = 0

    def add(self, messages: Iterable[Message]) -> Iterator[RawBlock]:
        """Adds messages; yields the blocks that are full."""
        for message in messages:
            self._messages.append(message)
            self._bytes += len(message.data)
            if self._bytes >= BLOCK_BYTES or len(self._messages) >= BLOCK_ROWS:
                yield from self.flush()

    def flush(self) -> Iterator[RawBlock]:
        """Yields the remaining messages as a block, if there are any."""
        messages, self._messages, self._bytes = self._messages, [], 0
        if not messages:
            return
        ack_ids = [message.ack_id for message in messages if message.ack_id]
        oldest = min(message.info.publish_time for message in messages)
        payloads: list[bytes] = []
        offsets: list[int] = []
        contexts: list[Context] = []
        rejections: list[Rejection] = []
        for data, info, _ in messages:
            context = message_context(info)
            if len(data) > self._max_event_bytes:
                rejections.append(too_large(STEP, data, 0, self._max_event_bytes, context=context))
                continue
            for payload, offset in split_payloads(data):
                payloads.append(payload)
                offsets.append(offset)
                contexts.append(context)
        yield RawBlock(
            self._source,
            Payloads.of(payloads),
            np.array(offsets, np.int64),
            rejections=rejections,
            contexts=contexts,
            pending_acks=PendingAcks(self._source, ack_ids, oldest),
        )
