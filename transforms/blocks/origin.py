"""The origin of a block: bytes of a file, or messages to acknowledge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """The bytes [start, end) of a source, counted after decompression."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class InputNote:
    """What a reader learned of a whole input when it came to its end.

    Attributes:
        path: The input.
        end: Its length in bytes after decompression, as far as it could be read.
        damage: What is wrong with it, or None.
    """

    path: str
    end: int
    damage: str | None = None


class PendingAcks(NamedTuple):
    """What acknowledges the messages of a block, once what became of them is committed.

    Attributes:
        subscription: Where they were pulled from.
        ack_ids: One for each message, those without a payload or an event included; none where
            the engine acknowledges by itself.
        oldest: When the oldest of them was published, in microseconds since 1970.
    """

    subscription: str
    ack_ids: list[str]
    oldest: int
