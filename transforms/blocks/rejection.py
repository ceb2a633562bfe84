"""Rejections: payloads that become dead letters."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from transforms.blocks.context import NO_CONTEXT, Context

PAYLOAD_HEAD_BYTES = 64 << 10
"""Bytes that are kept of a payload over the limit."""


class Rejection(NamedTuple):
    """The reason why a payload becomes a dead letter: a value, not an exception.

    Attributes:
        code: One of the error codes of the dead letter schema.
        step: The transform that rejected it.
        path: JSON path within `payload`, or None.
        message: The reason, for people. Never holds a value of the data.
        payload: The smallest text that can be replayed alone; its head if it is truncated.
        offset: Offset of the payload in its source, in bytes, or None.
        context: What is known of the payload beside its text.
        full_size: Bytes of the whole payload if `payload` is only its head, else None.
        full_sha256: Hex digest of the whole payload if `payload` is only its head, else None.
    """

    code: str
    step: str
    path: str | None
    message: str
    payload: bytes
    offset: int | None
    context: Context = NO_CONTEXT
    full_size: int | None = None
    full_sha256: str | None = None


def too_large(
    step: str,
    payload: bytes,
    offset: int,
    limit: int,
    *,
    whole: tuple[int, str] | None = None,
    path: str | None = None,
    context: Context = NO_CONTEXT,
) -> Rejection:
    """Returns the rejection of a payload over the limit.

    Args:
        step: The step that rejects it.
        payload: The payload, or at least its head.
        offset: Its offset in the source, in bytes.
        limit: In bytes.
        whole: Size and SHA-256 digest of the whole payload, if `payload` is only its head.
        path: JSON path of the payload in the source's payload.
        context: What is known of the payload beside its text.
    """
    size, sha256 = whole or (len(payload), hashlib.sha256(payload).hexdigest())
    return Rejection(
        code="TOO_LARGE",
        step=step,
        path=path,
        message=f"{size} bytes, over the limit of {limit} (--max_event_bytes)",
        payload=payload[:PAYLOAD_HEAD_BYTES],
        offset=offset,
        context=context,
        full_size=size,
        full_sha256=sha256,
    )
