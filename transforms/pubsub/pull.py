"""Pulls from a subscription with several concurrent calls, and bounds the bytes that they hold."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from transforms.pubsub.client import MAX_MESSAGES, Subscription
from transforms.pubsub.messages import Message

_LARGEST_MESSAGE_BYTES = 10_000_000
"""The service accepts no larger message."""

_MIN_TIMEOUT_SECONDS = 2.0
_MAX_TIMEOUT_SECONDS = 16.0

STOP_CHECK_SECONDS = 0.25
"""The interval at which a wait checks for the stop file."""


@dataclass(frozen=True, slots=True)
class PullSettings:
    """Settings of a pull.

    Attributes:
        lease_seconds: How long the server does not deliver a pulled message again.
        pullers: The number of concurrent pulls.
        puller_bytes: The most bytes of messages that a pull returns. A pull can exceed it if
            messages are suddenly larger than all before.
        max_event_bytes: The longest message that is kept whole, in bytes.
        stop_file: A path on the local disk; pulling stops when the file exists.
    """

    lease_seconds: int = 600
    pullers: int = 2
    puller_bytes: int = 32 << 20
    max_event_bytes: int = 10_000_000
    stop_file: str | None = None

    def is_stopped(self) -> bool:
        """Returns whether the stop file exists."""
        return self.stop_file is not None and os.path.exists(self.stop_file)


class PullSize:
    """Estimates how many messages fit into a limit of bytes, from the sizes of earlier ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._expected_bytes = _LARGEST_MESSAGE_BYTES

    def max_messages(self) -> int:
        """Returns the most messages that fit if none is larger than the recent ones."""
        return max(1, min(MAX_MESSAGES, self._limit // self._expected_bytes))

    def observe(self, sizes: list[int]) -> None:
        """Records message sizes in bytes; the effect of a large one halves with each pull."""
        if sizes:
            self._expected_bytes = max(*sizes, self._expected_bytes // 2, 1)


class PullTimeout:
    """Adapts the timeout of a pull to the response times of the server.

    The service holds a pull until a message arrives or the client gives up. Messages that it sends
    at that very moment are lost until the subscription's own lease ends. So the timeout is several
    times the response time of a slow server, and doubles while the subscription is empty. The
    attribute `seconds` is the current timeout.
    """

    def __init__(self) -> None:
        self.seconds = _MIN_TIMEOUT_SECONDS

    def observe(self, seconds: float, *, has_messages: bool) -> None:
        """Records the response time of a pull, in seconds."""
        if has_messages:
            self.seconds = min(max(_MIN_TIMEOUT_SECONDS, 3 * seconds), _MAX_TIMEOUT_SECONDS)
        elif seconds >= 0.9 * self.seconds:
            self.seconds = min(2 * self.seconds, _MAX_TIMEOUT_SECONDS)


class Puller:
    """Pulls with concurrent calls, and extends the lease of every message."""

    def __init__(self, subscription: Subscription, settings: PullSettings) -> None:
        self._subscription = subscription
        self._settings = settings
        self._size = PullSize(settings.puller_bytes)
        self._timeout = PullTimeout()
        self._threads = ThreadPoolExecutor(settings.pullers, thread_name_prefix="puller")

    def pull_while(self, should_continue: Callable[[], bool]) -> Iterator[list[Message]]:
        """Pulls at least once, and again while `should_continue` returns true.

        `should_continue` is called after the messages of a pull were consumed. Pulls that have
        started by then are waited for. After a stop they are not: their messages are given back.

        Yields:
            The messages of each pull, which may be none.

        Raises:
            PubSubUnavailableError, InputError: As in Subscription, after the messages of the other
                pulls were yielded.
        """
        pending = {self._threads.submit(self._pull) for _ in range(self._settings.pullers)}
        failure: Exception | None = None
        while pending:
            done, pending = wait(pending, STOP_CHECK_SECONDS, return_when=FIRST_COMPLETED)
            if not done and self._settings.is_stopped():
                for future in pending:
                    future.add_done_callback(self._give_back)
                return
            for future in done:
                try:
                    messages = future.result()
                except Exception as error:
                    failure = error
                    continue
                yield messages
                if failure is None and should_continue() and not self._settings.is_stopped():
                    pending.add(self._threads.submit(self._pull))
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False)

    def _pull(self) -> list[Message]:
        start = time.monotonic()
        messages = self._subscription.pull(self._size.max_messages(), self._timeout.seconds)
        self._timeout.observe(time.monotonic() - start, has_messages=bool(messages))
        if messages:
            self._size.observe([_message_bytes(message) for message in messages])
            # If this fails, the messages are dropped here, and the server delivers them again.
            self._extend(messages, self._settings.lease_seconds)
        return messages

    def _give_back(self, future: Future[list[Message]]) -> None:
        # Otherwise the server delivers them again only when their lease ends.
        with suppress(Exception):
            self._extend(future.result(), 0)

    def _extend(self, messages: list[Message], seconds: int) -> None:
        self._subscription.extend([message.ack_id for message in messages], seconds)


def _message_bytes(message: Message) -> int:
    attributes = message.info.attributes
    size = len(message.data) + len(message.ack_id)
    if attributes:
        size += sum(len(name) + len(value) for name, value in attributes.items())
    return size
