"""Turns rejections into the records of dead letters and encodes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal

from schemas.avro import avro_encoder, record_schema
from schemas.version import PIPELINE_VERSION
from transforms.blocks import CONTEXT_KEYS, PAYLOAD_HEAD_BYTES, Rejection, context_beside
from transforms.encode.dead_letter_id import dead_letter_id

PayloadPolicy = Literal["full", "hash", "none"]
"""Keeps rejected payloads, only digests, or neither: they may hold names and e-mail addresses."""

_MAX_MESSAGE_BYTES = 1024

_context_fields = attrgetter(*CONTEXT_KEYS)


def dead_letters(
    source: str | None,
    rejections: Sequence[Rejection],
    policy: PayloadPolicy,
    max_payload_bytes: int,
) -> list[dict[str, Any]]:
    """Returns the records of dead letters. They keep only the head of a longer payload."""
    return [_record(source, each, policy, max_payload_bytes) for each in rejections]


_ENCODERS = [avro_encoder(field) for field in record_schema("dead_letter").parsed["fields"]]


def encoded_dead_letters(records: Sequence[dict[str, Any]]) -> bytes:
    """Encodes dead letters, whose fields are in the order of the schema."""
    return b"".join(
        encode(value)
        for record in records
        for encode, value in zip(_ENCODERS, record.values(), strict=True)
    )


def _record(
    source: str | None, rejection: Rejection, policy: PayloadPolicy, max_payload_bytes: int
) -> dict[str, Any]:
    payload = rejection.payload
    size = len(payload) if rejection.full_size is None else rejection.full_size
    digest = rejection.full_sha256
    if digest is None:
        digest = hashlib.sha256(payload).hexdigest()
    if policy == "none":
        digest = ""
    kept: bytes | None = payload
    if policy != "full" or (not payload and size):
        kept = None
    elif len(payload) > max_payload_bytes:
        kept = payload[: min(PAYLOAD_HEAD_BYTES, max_payload_bytes)]
    context = context_beside(payload, rejection.context)
    message = context.message
    attributes = message and message.attributes
    message_id = message and message.message_id
    return {
        "dead_letter_id": dead_letter_id(
            source, message_id, rejection.offset, rejection.path, digest, context.attempt
        ),
        "error_code": rejection.code,
        "step": rejection.step,
        "error_path": rejection.path,
        "error_message": rejection.message.encode()[:_MAX_MESSAGE_BYTES].decode("utf-8", "ignore"),
        "payload": kept,
        "payload_size": size,
        "payload_truncated": kept is not None and len(kept) < size,
        "payload_sha256": digest,
        **dict(zip(CONTEXT_KEYS, _context_fields(context), strict=True)),
        "default_provider": context.default_provider,
        "source": source,
        "source_offset": rejection.offset,
        "message_id": message_id,
        "publish_time": message and message.publish_time,
        "attributes": json.dumps(dict(attributes), ensure_ascii=False) if attributes else None,
        "pipeline_version": PIPELINE_VERSION,
        "attempt": context.attempt,
    }
