"""Rejections: payloads that become dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.blocks.context import NO_CONTEXT, Context

PAYLOAD_HEAD_BYTES = 64 << 10
"""How much is kept of a payload that is over the limit, in bytes."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a payload became a dead letter: a value, not an exception.

    Attributes:
        code: One of the error codes of the dead letter schema.
        step: The transform that rejected it.
        path: JSON path within `payload`, or None.
        message: What is wrong, for people. Never holds a value of the data.
        payload: The smallest text that can be replayed by itself; a head of it where it was cut.
        offset: Of the payload in its source, in bytes, or None.
        context: What the payload does not say itself.
        full_size: Bytes of the whole payload where `payload` is a head of it, else None.
        full_sha256: Hex digest of the whole payload where `payload` is a head of it, else None.
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
    """A payload over the limit, as a rejection; `payload` is at least its head."""
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
