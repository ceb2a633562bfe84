"""Turns rejections into the records of dead letters and encodes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Literal

from schemas.avro import avro_encoder, record_schema
from schemas.version import PIPELINE_VERSION
from transforms.blocks import PAYLOAD_HEAD_BYTES, Rejection, context_beside
from transforms.encode.dead_letter_id import dead_letter_id

PayloadPolicy = Literal["full", "hash", "none"]
"""Keeps rejected payloads, only digests, or neither: they may hold names and e-mail addresses."""

_MAX_MESSAGE_BYTES = 1024


def dead_letters(
    source: str | None,
    rejections: Sequence[Rejection],
    policy: PayloadPolicy,
    max_payload_bytes: int,
) -> list[dict[str, Any]]:
    """Returns the records of dead letters. They keep only the head of a longer payload."""
    return [_record(source, each, policy, max_payload_bytes) for each in rejections]


_ENCODERS = [avro_encoder(field) for field in record_schema("dead_letter").parsed["fields"]]


_BATCH = 256
"""Dead letters that are encoded together: so few that they stay in the processor's cache."""


def encoded_dead_letters(records: Sequence[dict[str, Any]]) -> bytes:
    """Encodes dead letters, whose fields are in the order of the schema."""
    starts = range(0, len(records), _BATCH)
    return b"".join(_encoded_batch(records[start : start + _BATCH]) for start in starts)


def _encoded_batch(records: Sequence[dict[str, Any]]) -> bytes:
    columns = zip(*(record.values() for record in records), strict=True)
    encoded = map(_encoded_column, _ENCODERS, columns)
    return b"".join(chain.from_iterable(zip(*encoded, strict=True)))


def _encoded_column(encode: Callable[[Any], bytes], values: Sequence[Any]) -> Iterator[bytes]:
    """Encodes the values of a field: each distinct one once, as most fields have few."""
    encoded = {value: encode(value) for value in set(values)}
    return map(encoded.__getitem__, values)


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
        "event_type": context.event_type,
        "event_date": context.event_date,
        "project_id": context.project_id,
        "account_id": context.account_id,
        "provider": context.provider,
        "default_provider": context.default_provider,
        "source": source,
        "source_offset": rejection.offset,
        "message_id": message_id,
        "publish_time": message and message.publish_time,
        "attributes": json.dumps(dict(attributes), ensure_ascii=False) if attributes else None,
        "pipeline_version": PIPELINE_VERSION,
        "attempt": context.attempt,
    }
