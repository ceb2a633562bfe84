"""Drains a subscription in batches: a batch is committed and acknowledged before the next begins.

So a run never holds more than one batch, and commits it well before its lease ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from schemas.errors import InputError
from transforms.blocks import RawBlock
from transforms.local import LocalRun, preserve_error_type
from transforms.pubsub.client import PubSubUnavailableError, Subscription, backoff_waits
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.metrics import record_pull
from transforms.pubsub.pull import STOP_CHECK_SECONDS, Puller, PullSettings


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """When a batch ends; the messages of pulls that have started by then are still included.

    Attributes:
        bytes: The most bytes of payloads.
        messages: The most messages; their ack ids are held until they are committed.
        seconds: The longest time after the first message, so that the batch is committed well
            before its lease ends.
        idle_seconds: How long to wait for the first message.
        quiet_seconds: How long to wait for each further message.
        outage_seconds: How long to wait for a server that is unavailable before the first message.
    """

    bytes: int = 256 << 20
    messages: int = 100_000
    seconds: float = 200.0
    idle_seconds: float = 10.0
    quiet_seconds: float = 1.0
    outage_seconds: float = 300.0


class DrainBatch:
    """Pulls one batch of a drain."""

    def __init__(self, subscription: str, settings: PullSettings, limits: DrainLimits) -> None:
        self._subscription = subscription
        self._settings = settings
        self._limits = limits
        self._messages = 0
        self._bytes = 0
        self._is_silent = False
        self._first = self._last = time.monotonic()

    def blocks(self, record: Callable[[list[Message]], object]) -> Iterator[RawBlock]:
        """Pulls until a limit is reached, and yields the blocks.

        Calls `record` with the messages of each pull.

        Raises:
            InputError: The subscription does not exist or cannot be used, or the server was
                unavailable for `outage_seconds` before anything was pulled.
        """
        builder = BlockBuilder(self._subscription, self._settings.max_event_bytes)
        with (
            closing(Subscription(self._subscription)) as subscription,
            closing(Puller(subscription, self._settings)) as puller,
        ):
            for messages in self._pulls(puller):
                record(messages)
                yield from builder.add(messages)
            yield from builder.flush()

    def _pulls(self, puller: Puller) -> Iterator[list[Message]]:
        waits = backoff_waits()
        answered = time.monotonic()
        while not self._is_over() and not self._settings.is_stopped():
            try:
                for messages in puller.pull_while(lambda: not self._is_over()):
                    answered = time.monotonic()
                    waits = backoff_waits()
                    self._is_silent = not messages
                    if messages:
                        self._count(messages)
                        yield messages
            except PubSubUnavailableError as error:
                if self._messages:
                    return
                outage = self._limits.outage_seconds
                if time.monotonic() - answered > outage:
                    raise InputError(
                        f"Pub/Sub did not answer for {outage:.0f} seconds ({error})",
                        "nothing is lost: run again when it is back",
                    ) from error
                self._sleep(next(waits))
                # An unavailable server is not an empty subscription.
                self._last = time.monotonic()

    def _count(self, messages: list[Message]) -> None:
        self._last = time.monotonic()
        if not self._messages:
            self._first = self._last
        self._messages += len(messages)
        self._bytes += sum(len(message.data) for message in messages)

    def _is_over(self) -> bool:
        now, limits = time.monotonic(), self._limits
        # Only an answer without a message shows that the subscription is empty.
        silence = now - self._last if self._is_silent else 0.0
        if not self._messages:
            return silence >= limits.idle_seconds
        return (
            self._bytes >= limits.bytes
            or self._messages >= limits.messages
            or now - self._first >= limits.seconds
            or silence >= limits.quiet_seconds
        )

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._settings.is_stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, STOP_CHECK_SECONDS))


def drain(
    name: str, settings: PullSettings, limits: DrainLimits, local_run: LocalRun
) -> Iterator[RawBlock]:
    """Pulls one batch from a subscription."""
    batch = DrainBatch(name, settings, limits)
    with preserve_error_type():
        yield from batch.blocks(partial(record_pull, local_run=local_run))
