"""Rejections: payloads that become dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.blocks.context import NO_CONTEXT, Context

PAYLOAD_HEAD_BYTES = 64 << 10
"""Bytes that are kept of a payload over the limit."""


@dataclass(frozen=True, slots=True)
class Rejection:
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
    payload: bytes, offset: int, limit: int, size: int, sha256: str, path: str | None = None
) -> Rejection:
    """Returns the rejection of a payload over the limit; `payload` is at least its head.

    The step is ReadFiles; other steps replace it.
    """
    return Rejection(
        code="TOO_LARGE",
        step="ReadFiles",
        path=path,
        message=f"{size} bytes, over the limit of {limit} (--max_event_bytes)",
        payload=payload[:PAYLOAD_HEAD_BYTES],
        offset=offset,
        full_size=size,
        full_sha256=sha256,
    )
