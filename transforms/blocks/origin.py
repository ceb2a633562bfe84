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
    """The length and the damage of an input, known once its reader has finished.

    Attributes:
        path: The input.
        end: Its length in bytes after decompression, as far as it can be read.
        damage: A description of its damage, or None.
    """

    path: str
    end: int
    damage: str | None = None


class PendingAcks(NamedTuple):
    """The acknowledgements of a block's messages, to be sent once its outcome is committed.

    Attributes:
        subscription: The subscription of the messages.
        ack_ids: One per message, with or without an event. Empty if the runner acknowledges.
        oldest: Publish time of the oldest message, in microseconds since 1970.
        intent: The file of the commit that keeps these acknowledgements, or "". It is deleted once
            they are sent: if they are not, the next start sends them.
    """

    subscription: str
    ack_ids: list[str]
    oldest: int
    intent: str = ""
