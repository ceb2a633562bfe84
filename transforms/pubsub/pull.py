"""How to pull: the settings, and the number of messages in a pull, which bounds its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from transforms.local import Retry
from transforms.pubsub.client import MAX_MESSAGES

_LARGEST_MESSAGE_BYTES = 10_000_000
"""The service accepts no larger message."""


@dataclass(frozen=True, slots=True)
class PullSettings:
    """Settings of a pull.

    Attributes:
        lease_seconds: How long the server does not deliver a pulled message again.
        pullers: The number of concurrent pulls.
        puller_bytes: The most bytes of messages that a pull returns. A pull can exceed it if
            messages are suddenly larger than all before.
        held_bytes: The bytes of unacknowledged messages from which on nothing is pulled.
        max_event_bytes: The longest message that is kept whole, in bytes.
        retry: How long to retry calls. Pulling stops when its stop file exists.
    """

    lease_seconds: int = 600
    pullers: int = 2
    puller_bytes: int = 16 << 20
    held_bytes: int = 512 << 20
    max_event_bytes: int = 10_000_000
    retry: Retry = field(default_factory=Retry)


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
