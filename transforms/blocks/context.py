"""The context of a payload: what is known of it beside its own text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from transforms.json import kind_of

CONTEXT_KEYS = {
    "event_type": "event",
    "event_date": "event_date",
    "project_id": "project_id",
    "account_id": "account_id",
    "provider": "provider",
}

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class MessageInfo(NamedTuple):
    """Which Pub/Sub message a payload came in.

    Attributes:
        message_id: Given by the server.
        publish_time: Microseconds since 1970, UTC.
        attributes: As they were published.
    """

    message_id: str
    publish_time: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a payload beside its own text; what the text says wins over it.

    Attributes:
        message: The message it came in. Two contexts are equal that say the same of payloads.
        attempt: How often it was replayed.
    """

    event_type: str | None = None
    event_date: str | None = None
    project_id: str | None = None
    account_id: str | None = None
    provider: str | None = None
    message: MessageInfo | None = field(default=None, compare=False)
    attempt: int = field(default=0, compare=False)


NO_CONTEXT = Context()


def context_beside(payload: bytes, context: Context) -> Context:
    """That part of a context which a payload, whatever it is, does not hold itself."""
    if context == NO_CONTEXT:
        return context
    try:
        fields = _decode_object(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return context
    held: dict[str, Any] = {
        name: None
        for name, key in CONTEXT_KEYS.items()
        if key in fields and kind_of(fields[key]) != "null"
    }
    return replace(context, **held) if held else context
