"""A sink for pipelines that run in this process: it records what it commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam

from tests.pubsub import Server
from transforms.blocks.block import RawBlock
from transforms.blocks.origin import PendingAcks
from transforms.pubsub.client import Subscription


class Committed(NamedTuple):
    """A committed block.

    Attributes:
        window: Its window.
        timing: The timing of its pane.
        block: The block.
    """

    window: str
    timing: int
    block: RawBlock


_COMMITTED: dict[str, list[Committed]] = {}


class Commit(beam.DoFn):
    """Commits the blocks of a subscription, and emits their pending acknowledgements."""

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription

    def process(
        self,
        grouped: tuple[int, list[RawBlock]],
        window: object = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[PendingAcks]:
        for block in grouped[1]:
            committed(self._subscription).append(Committed(str(window), pane.timing, block))
            yield pending_acks(block)


def pending_acks(block: RawBlock) -> PendingAcks:
    """Returns the pending acknowledgements of a block of messages."""
    assert block.pending_acks is not None
    return block.pending_acks


def committed(subscription: str) -> list[Committed]:
    """Returns the committed blocks of a subscription."""
    return _COMMITTED.setdefault(subscription, [])


def committed_payloads(subscription: str) -> list[bytes]:
    """Returns the committed payloads of a subscription."""
    return [each for one in list(committed(subscription)) for each in one.block.payloads]


def count_unacknowledged(server: Server, subscription: str) -> int:
    """Ends the leases of the committed messages, and returns how many are delivered again."""
    for one in committed(subscription):
        Subscription(subscription).extend(pending_acks(one.block).ack_ids, 0)
    return server.count_available(subscription)
