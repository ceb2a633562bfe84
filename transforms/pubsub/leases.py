"""Keeps the leases of pulled messages until they are acknowledged, and gives back the others.

One object for each subscription, shared by all steps of this process: one step pulls, another one
acknowledges. On a runner with workers on other machines the two may be different processes. There
a lease is set twice and never extended: it is short until a bundle takes the message, then full.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress

from schemas.errors import InputError
from transforms.pubsub.client import PubSubUnavailableError, Subscription
from transforms.pubsub.messages import Message, message_bytes

_LOGGER = logging.getLogger(__name__)

_EXTENSIONS_PER_LEASE = 3
_WAITING_SECONDS = 30
"""The lease of a message that waits for a bundle, on a runner with workers on other machines. Such
a worker can be ended without notice, and then the message comes again only after this lease. The
receiver gives waiting messages back earlier than that."""

_GIVE_BACK_SECONDS = 3.0
"""The timeout of a call that gives messages back: a run should end although Pub/Sub is away."""


class LeasesClosedError(Exception):
    """The run is over: messages that still arrive are given back."""


class Leases:
    """The leases of the messages of a subscription.

    Args:
        subscription: The subscription.
        seconds: The length of a lease.
        keeps: Whether this process acknowledges the messages, so that it can keep their leases.
        pulls: A connection for pulls alone, which can be closed first.

    Attributes:
        pulls: The connection for pulls.
    """

    def __init__(
        self,
        subscription: Subscription,
        seconds: int,
        *,
        keeps: bool,
        pulls: Subscription | None = None,
    ) -> None:
        self.pulls = pulls or subscription
        self._subscription = subscription
        self._seconds = seconds
        self._keeps = keeps
        self._waiting_seconds = seconds if keeps else min(seconds, _WAITING_SECONDS)
        self._held: dict[str, int] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._holding = threading.Lock()
        self._closed = threading.Event()
        self._extender = threading.Thread(target=self._extend_held, name="leases", daemon=True)
        if keeps:
            self._extender.start()

    @property
    def bytes(self) -> int:
        """Bytes of the messages that are held."""
        return self._bytes

    @property
    def is_closed(self) -> bool:
        """Returns whether all messages were given back."""
        return self._closed.is_set()

    def hold(self, messages: Sequence[Message]) -> None:
        """Extends the leases of pulled messages, and keeps them.

        Raises:
            PubSubUnavailableError, InputError: The leases could not be extended. The messages must
                be dropped: the server delivers them again.
            LeasesClosedError: The run is over. The messages were given back.
        """
        ack_ids = [each.ack_id for each in messages]
        with self._holding:
            if self.is_closed:
                self.give_back(ack_ids)
                raise LeasesClosedError
            self._subscription.extend(ack_ids, self._waiting_seconds)
            if self._keeps:
                self._add(messages)

    def hand_on(self, messages: Sequence[Message]) -> None:
        """Sets the full lease of messages that a bundle takes, if this process cannot extend it.

        Raises:
            PubSubUnavailableError, InputError: As `hold`.
        """
        if self._waiting_seconds < self._seconds:
            self._subscription.extend([each.ack_id for each in messages], self._seconds)

    def _add(self, messages: Sequence[Message]) -> None:
        with self._lock:
            for each in messages:
                size = message_bytes(each)
                self._bytes += size - self._held.get(each.ack_id, 0)
                self._held[each.ack_id] = size

    def release(self, ack_ids: Iterable[str]) -> None:
        """Forgets messages that are committed, so that their leases end."""
        with self._lock:
            for ack_id in ack_ids:
                self._bytes -= self._held.pop(ack_id, 0)

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """Returns messages to the subscription, if it answers; else their leases have to end."""
        self.release(ack_ids)
        with suppress(PubSubUnavailableError, InputError):
            self._subscription.extend(ack_ids, 0, _GIVE_BACK_SECONDS)

    def close(self) -> int:
        """Gives back all messages that are held, and returns their number."""
        self._closed.set()
        if self.pulls is not self._subscription:
            # A pull that goes on would get what is given back.
            self.pulls.close()
        if self._keeps:
            # An extension that arrives later would undo this.
            self._extender.join(_GIVE_BACK_SECONDS)
        # A puller may be about to hold messages. The other connection stays open to give them back.
        is_free = self._holding.acquire(timeout=_GIVE_BACK_SECONDS)
        with self._lock:
            held = list(self._held)
        self.give_back(held)
        if is_free:
            self._holding.release()
        return len(held)

    def _extend_held(self) -> None:
        while not self._closed.wait(self._seconds / _EXTENSIONS_PER_LEASE):
            with self._lock:
                held = list(self._held)
            try:
                self._subscription.extend(held, self._seconds)
            except (PubSubUnavailableError, InputError) as error:
                _LOGGER.warning("%d leases could not be extended (%s)", len(held), error)


_open: dict[str, Leases] = {}
"""The leases of this process by subscription."""

_opening = threading.Lock()


def leases_of(name: str, seconds: int, *, keeps: bool) -> Leases:
    """Returns the leases of a subscription in this process; makes them at the first call.

    Raises:
        UsageError: As in Subscription.
    """
    with _opening:
        if name not in _open:
            pulls = Subscription(name)
            _open[name] = Leases(Subscription(name), seconds, keeps=keeps, pulls=pulls)
        return _open[name]


def release(name: str, ack_ids: Iterable[str]) -> None:
    """Forgets messages that are committed, if this process holds them."""
    with _opening:
        leases = _open.get(name)
    if leases is not None:
        leases.release(ack_ids)


def give_back_all() -> int:
    """Gives back all messages that this process holds, and returns their number."""
    with _opening:
        leases = [*_open.values()]
        _open.clear()
    return sum(each.close() for each in leases)
