"""Rejections → the columns of dead letters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa

from schemas.version import PIPELINE_VERSION
from transforms.blocks import PAYLOAD_HEAD_BYTES, Rejection
from transforms.timestamps import TIMESTAMP

PayloadPolicy = Literal["full", "hash", "none"]
"""What is kept of a rejected payload: it may hold names and e-mail addresses."""

_MAX_MESSAGE_BYTES = 1024

DEAD_LETTER = pa.schema(
    [
        ("error_code", pa.string()),
        ("step", pa.string()),
        ("error_path", pa.string()),
        ("error_message", pa.string()),
        ("payload", pa.binary()),
        ("payload_size", pa.int64()),
        ("payload_truncated", pa.bool_()),
        ("payload_sha256", pa.string()),
        ("event_type", pa.string()),
        ("event_date", pa.string()),
        ("project_id", pa.string()),
        ("account_id", pa.string()),
        ("provider", pa.string()),
        ("source", pa.string()),
        ("source_offset", pa.int64()),
        ("message_id", pa.string()),
        ("publish_time", TIMESTAMP),
        ("attributes", pa.string()),
        ("pipeline_version", pa.string()),
        ("attempt", pa.int32()),
    ]
)
"""The columns of dead letters, in the order of their schema."""


def dead_letters(
    source: str, rejections: Sequence[Rejection], policy: PayloadPolicy, max_payload_bytes: int
) -> pa.RecordBatch:
    """Makes the columns of dead letters.

    Args:
        source: Where the payloads came from.
        rejections: Why each was rejected.
        policy: What to keep of the payloads: all, their digest only, or neither.
        max_payload_bytes: A longer payload is kept as its head.
    """
    rows = [_row(source, each, policy, max_payload_bytes) for each in rejections]
    return pa.RecordBatch.from_pylist(rows, schema=DEAD_LETTER)


def _row(
    source: str, rejection: Rejection, policy: PayloadPolicy, max_payload_bytes: int
) -> dict[str, Any]:
    payload = rejection.payload
    size = len(payload) if rejection.full_size is None else rejection.full_size
    digest = rejection.full_sha256 or hashlib.sha256(payload).hexdigest()
    kept: bytes | None = payload
    if policy != "full":
        kept = None
    elif len(payload) > max_payload_bytes:
        kept = payload[:PAYLOAD_HEAD_BYTES]
    context = rejection.context
    return {
        "error_code": rejection.code,
        "step": rejection.step,
        "error_path": rejection.path,
        "error_message": rejection.message.encode()[:_MAX_MESSAGE_BYTES].decode("utf-8", "ignore"),
        "payload": kept,
        "payload_size": size,
        "payload_truncated": kept is not None and len(kept) < size,
        "payload_sha256": "" if policy == "none" else digest,
        "event_type": context.event_type,
        "event_date": context.event_date,
        "project_id": context.project_id,
        "account_id": context.account_id,
        "provider": context.provider,
        "source": source,
        "source_offset": rejection.offset,
        "message_id": None,
        "publish_time": None,
        "attributes": None,
        "pipeline_version": PIPELINE_VERSION,
        "attempt": 0,
    }
