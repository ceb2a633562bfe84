"""Pulls from a subscription, several calls at a time, without holding more than it may."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from transforms.pubsub.client import MAX_MESSAGES
from transforms.pubsub.messages import Message

_LARGEST_MESSAGE = 10_000_000
"""Most bytes of a message that Pub/Sub takes."""

_SHORTEST_PULL = 2.0
_LONGEST_PULL = 16.0

STOP_LOOK_SECONDS = 0.25
"""How often to look whether nothing more is to be pulled."""

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class PullSettings:
    """How to pull.

    Attributes:
        lease_seconds: For how long pulled messages are kept from being delivered again.
        pullers: How many pulls are under way at the same time.
        puller_bytes: What each of them may hold that was not handed on, in bytes. A pull may go
            over that where messages suddenly are larger than all that came before.
        max_event_bytes: The longest message that is kept whole, in bytes.
        stop_file: When it exists, nothing more is pulled. On the local disk.
    """

    lease_seconds: int = 600
    pullers: int = 2
    puller_bytes: int = 32 << 20
    max_event_bytes: int = 10_000_000
    stop_file: str | None = None

    def is_stopped(self) -> bool:
        """Whether nothing more is to be pulled."""
        return self.stop_file is not None and os.path.exists(self.stop_file)


class PullSize:
    """How many messages to ask for, so that they fit: what comes is only known once it is there.

    Args:
        limit: In bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._expected = _LARGEST_MESSAGE

    def count(self) -> int:
        """Most messages that fit, if none is larger than those that came last."""
        return max(1, min(MAX_MESSAGES, self._limit // self._expected))

    def learn(self, sizes: list[int]) -> None:
        """Takes down the sizes of messages; a large one is forgotten over the next pulls."""
        if sizes:
            self._expected = max(*sizes, self._expected // 2, 1)


class PullTimeout:
    """How long to wait for the answer to a pull.

    The service holds a pull until there is a message or the caller gives up, and what it answers at
    that very moment is lost: those messages come again when the subscription's own lease ends. So a
    slow server is given more time than it needs, an idle one ever more.
    """

    def __init__(self) -> None:
        self.seconds = _SHORTEST_PULL

    def learn(self, seconds: float, *, brought_messages: bool) -> None:
        """Takes down how long an answer took."""
        if brought_messages:
            self.seconds = min(max(_SHORTEST_PULL, 3 * seconds), _LONGEST_PULL)
        elif seconds >= 0.9 * self.seconds:
            self.seconds = min(2 * self.seconds, _LONGEST_PULL)


@dataclass(slots=True)
class Backoff:
    """How long to wait while the server is away: longer each time, and never all at once.

    Attributes:
        seconds: The next wait, before it is varied.
    """

    seconds: float = field(default=_FIRST_WAIT)

    def next(self) -> float:
        """How long to wait now, in seconds."""
        now = self.seconds * random.uniform(0.5, 1)
        self.seconds = min(self.seconds * 2, _LONGEST_WAIT)
        return now

    def reset(self) -> None:
        """Begins again, after the server answered."""
        self.seconds = _FIRST_WAIT


class Leasing(Protocol):
    """What is needed of a subscription to pull from it."""

    def pull(self, max_messages: int, seconds: float) -> list[Message]: ...

    def extend(self, ack_ids: Sequence[str], seconds: int) -> None: ...


class Puller:
    """Pulls with several calls at the same time, and extends the lease of all that came.

    Args:
        subscription: Where to pull.
        settings: How to.
    """

    def __init__(self, subscription: Leasing, settings: PullSettings) -> None:
        self._subscription = subscription
        self._settings = settings
        self._pull_size = PullSize(settings.puller_bytes)
        self._pull_timeout = PullTimeout()
        self._threads = ThreadPoolExecutor(settings.pullers, thread_name_prefix="puller")

    def pull_while(self, go_on: Callable[[], bool]) -> Iterator[list[Message]]:
        """Pulls at least once, and on; messages that are under way at the end still come.

        Once it is stopped, they do not: they are given back.

        Args:
            go_on: Is asked after what each pull brought was handed on.

        Yields:
            What each pull brought, which may be nothing.

        Raises:
            AwayError: The server cannot answer now. What came was handed on before.
            InputError: It refuses, and will.
        """
        under_way = {self._submit() for _ in range(self._settings.pullers)}
        failure: Exception | None = None
        while under_way:
            done, under_way = wait(under_way, STOP_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if not done and self._settings.is_stopped():
                for future in under_way:
                    future.add_done_callback(self._give_back)
                return
            for future in done:
                try:
                    messages = future.result()
                except Exception as error:
                    failure = error
                    continue
                yield messages
                if failure is None and go_on() and not self._settings.is_stopped():
                    under_way.add(self._submit())
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False)

    def _submit(self) -> Future[list[Message]]:
        return self._threads.submit(self._pull)

    def _pull(self) -> list[Message]:
        started = time.monotonic()
        messages = self._subscription.pull(self._pull_size.count(), self._pull_timeout.seconds)
        took = time.monotonic() - started
        self._pull_timeout.learn(took, brought_messages=bool(messages))
        if not messages:
            return []
        self._pull_size.learn([_size(message) for message in messages])
        ack_ids = [message.ack_id for message in messages]
        # Those whose lease could not be extended are dropped here: they come again.
        self._subscription.extend(ack_ids, self._settings.lease_seconds)
        return messages

    def _give_back(self, future: Future[list[Message]]) -> None:
        # Otherwise they would come again only when their lease ends.
        with suppress(Exception):
            self._subscription.extend([message.ack_id for message in future.result()], 0)


def _size(message: Message) -> int:
    attributes = message.info.attributes
    beside = sum(len(name) + len(value) for name, value in attributes.items()) if attributes else 0
    return len(message.data) + len(message.ack_id) + beside
