"""Drains a subscription in batches: a batch is committed and acknowledged before the next begins.

So a run never holds more than one batch, and commits it well before its lease ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.errors import InputError
from transforms.blocks import RawBlock
from transforms.local import STOP_CHECK_SECONDS, LocalRun, preserve_error_type
from transforms.pubsub.leases import Leases, leases_of
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.metrics import record_block, record_pull, record_retries
from transforms.pubsub.pull import PullSettings
from transforms.pubsub.receiver import Receiver


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """When a batch ends; the messages of pulls that have started by then are still included.

    Attributes:
        bytes: The most bytes of payloads.
        messages: The most messages; their ack ids are held until they are committed.
        seconds: The longest time after the first message, so that the batch is committed well
            before its lease ends.
        idle_seconds: How long to wait for the first message of the backlog.
        quiet_seconds: How long to wait for each further one.
        total_seconds: The longest time of the batch, or None.
        published_before: The backlog is what was published before this time, in seconds since 1970.
            Later messages are included, but not waited for: otherwise a batch of a subscription
            that gets messages all the time never ends.
    """

    bytes: int = 256 << 20
    messages: int = 100_000
    seconds: float = 200.0
    idle_seconds: float = 10.0
    quiet_seconds: float = 1.0
    total_seconds: float | None = None
    published_before: float = float("inf")


class DrainBatch:
    """Pulls one batch of a drain."""

    def __init__(self, leases: Leases, settings: PullSettings, limits: DrainLimits) -> None:
        self._leases = leases
        self._settings = settings
        self._limits = limits
        self._messages = 0
        self._bytes = 0
        self._has_old = False
        self._start = self._first = self._last = time.monotonic()

    def blocks(
        self,
        record: Callable[[list[Message]], object],
        record_retries: Callable[[int], object] = int,
        late: Callable[[int], object] = int,
    ) -> Iterator[RawBlock]:
        """Pulls until a limit is reached, and yields the blocks.

        Calls `record` with the messages of each pull, `record_retries` with the number of retries,
        and `late` with the number of messages that arrive when the batch has ended.

        Raises:
            InputError: The subscription cannot be used, or the server did not answer for as long as
                calls are retried. If there are messages, the batch ends in order instead.
        """
        builder = BlockBuilder(self._leases.pulls.name, self._settings.max_event_bytes)
        receiver = Receiver(self._leases, self._settings)
        for messages in self._pulls(receiver, late):
            record(messages)
            yield from builder.add(messages)
        yield from builder.flush()
        record_retries(receiver.take_retries())

    def _pulls(self, receiver: Receiver, late: Callable[[int], object]) -> Iterator[list[Message]]:
        retry = self._settings.retry
        try:
            while not self._is_over(receiver) and not retry.is_stopped():
                if messages := receiver.take(STOP_CHECK_SECONDS):
                    self._count(messages)
                    yield messages
        except InputError:
            if not self._messages:
                raise
        rest = receiver.stop(late, waits=not retry.is_stopped())
        for messages in rest:
            self._count(messages)
            yield messages

    def _count(self, messages: list[Message]) -> None:
        now = time.monotonic()
        if not self._messages:
            self._first = now
        oldest = min(message.info.publish_time for message in messages)
        if oldest / 1e6 < self._limits.published_before:
            self._has_old = True
            self._last = now
        self._messages += len(messages)
        self._bytes += sum(len(message.data) for message in messages)

    def _is_over(self, receiver: Receiver) -> bool:
        now, limits = time.monotonic(), self._limits
        if limits.total_seconds is not None and now - self._start >= limits.total_seconds:
            return True
        if receiver.is_failing:
            # A server that cannot answer is not an empty subscription.
            self._last = now
            return self._messages > 0
        silence = limits.quiet_seconds if self._has_old else limits.idle_seconds
        is_full = self._bytes >= limits.bytes or self._messages >= limits.messages
        is_long = self._messages > 0 and now - self._first >= limits.seconds
        is_silent = now - self._last >= silence and receiver.is_empty_since(self._last)
        return is_full or is_long or is_silent


def drain(
    name: str, settings: PullSettings, limits: DrainLimits, local_run: LocalRun
) -> Iterator[RawBlock]:
    """Pulls one batch from a subscription."""

    def fail(count: int) -> None:
        local_run.fail(
            InputError(
                f"{count} messages arrived after the drain had ended, and were given back",
                "Pub/Sub answers slowly: run again, or with a longer --idle_seconds",
            )
        )

    leases = leases_of(name, settings.lease_seconds, keeps=not local_run.is_remote)
    batch = DrainBatch(leases, settings, limits)
    with preserve_error_type():
        for block in batch.blocks(
            lambda messages: record_pull(messages, local_run),
            lambda count: record_retries(count, local_run),
            fail,
        ):
            record_block(block, local_run)
            yield block
