"""The context of a payload: its fields that are known from outside its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from transforms.json import decode_object, kind_of

CONTEXT_KEYS = {
    "event_type": "event",
    "event_date": "event_date",
    "project_id": "project_id",
    "account_id": "account_id",
    "provider": "provider",
}
"""The fields of a context that a payload may have itself, with their keys there."""


class MessageInfo(NamedTuple):
    """The Pub/Sub message of a payload. Its `publish_time` is in microseconds since 1970, UTC."""

    message_id: str
    publish_time: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """Fields of a payload that are known from outside its text. Fields in the text win.

    Attributes:
        provider: The provider that belongs to the event: from a message, or from the envelope or
            page around a job.
        message: The message of the payload. Does not count when contexts are compared.
        attempt: The number of its replays. Does not count when contexts are compared.
        default_provider: The provider that the options of a run give to events that name none. It
            is not part of the event, so the event's identity does not depend on it.
    """

    event_type: str | None = None
    event_date: str | None = None
    project_id: str | None = None
    account_id: str | None = None
    provider: str | None = None
    message: MessageInfo | None = field(default=None, compare=False)
    attempt: int = field(default=0, compare=False)
    default_provider: str | None = None


NO_CONTEXT = Context()


def context_beside(payload: bytes, context: Context) -> Context:
    """Returns a context without the fields that a payload, which may be any bytes, has itself."""
    if context == NO_CONTEXT:
        return context
    try:
        fields = decode_object(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return context
    own: dict[str, Any] = {
        name: None
        for name, key in CONTEXT_KEYS.items()
        if key in fields and kind_of(fields[key]) != "null"
    }
    return replace(context, **own) if own else context
