"""A bounded pull, in rounds: one is pulled, committed and acknowledged before the next begins.

So no more than a round is ever held, and all of it is committed well before its lease ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.errors import InputError
from transforms.blocks import RawBlock
from transforms.pubsub.client import PubSubUnavailableError
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.pull import STOP_LOOK_SECONDS, Backoff, Puller, PullSettings

_QUIET_SECONDS = 1.0
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """When a bounded pull is over; a message that comes in the same pull is still taken.

    Attributes:
        bytes: Of payloads.
        messages: How many; their ack ids are held until they are committed.
        seconds: Since the first message: all is to be committed well before its lease ends.
        idle_seconds: How long to wait for the first message.
    """

    bytes: int = 256 << 20
    messages: int = 100_000
    seconds: float = 200.0
    idle_seconds: float = 10.0


def _do_not_count(_: list[Message]) -> None:
    pass


class PullRound:
    """One round of a bounded pull; the pure part of draining.

    Args:
        puller: Pulls.
        builder: Makes blocks.
        settings: How to pull.
        limits: When the round is over.
    """

    def __init__(
        self, puller: Puller, builder: BlockBuilder, settings: PullSettings, limits: DrainLimits
    ) -> None:
        self._puller = puller
        self._builder = builder
        self._settings = settings
        self._limits = limits
        self._messages = 0
        self._bytes = 0
        self._is_silent = False
        self._first = self._last = time.monotonic()

    def blocks(self, count: Callable[[list[Message]], None] = _do_not_count) -> Iterator[RawBlock]:
        """Pulls until a limit is reached, or for a moment nothing more has come.

        Args:
            count: Is told of all messages that come.

        Raises:
            InputError: The subscription cannot be used, or the server stayed away for minutes
                before anything was pulled.
        """
        backoff = Backoff()
        heard = time.monotonic()
        while not self._is_over() and not self._settings.is_stopped():
            try:
                for messages in self._puller.pull_while(lambda: not self._is_over()):
                    heard = time.monotonic()
                    backoff.reset()
                    self._is_silent = not messages
                    if messages:
                        count(messages)
                        self._take(messages)
                        yield from self._builder.add(messages)
            except PubSubUnavailableError as error:
                if self._messages:
                    break
                if time.monotonic() - heard > _PATIENCE_SECONDS:
                    raise InputError(
                        f"Pub/Sub did not answer for {_PATIENCE_SECONDS:.0f} seconds ({error})",
                        "nothing is lost: run again when it is back",
                    ) from error
                self._sleep(backoff.next())
                # Time without an answer does not say that there is nothing to pull.
                self._last = time.monotonic()
        yield from self._builder.rest()

    def _take(self, messages: list[Message]) -> None:
        self._last = time.monotonic()
        if not self._messages:
            self._first = self._last
        self._messages += len(messages)
        self._bytes += sum(len(message.data) for message in messages)

    def _is_over(self) -> bool:
        now, limits = time.monotonic(), self._limits
        # Only an answer without a message says that there is none: a slow one says nothing.
        silence = now - self._last if self._is_silent else 0.0
        if not self._messages:
            return silence >= limits.idle_seconds
        return (
            self._bytes >= limits.bytes
            or self._messages >= limits.messages
            or now - self._first >= limits.seconds
            or silence >= _QUIET_SECONDS
        )

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._settings.is_stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, STOP_LOOK_SECONDS))
