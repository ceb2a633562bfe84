"""Rejections → the records of dead letters."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import fastavro
import pyarrow as pa

from schemas.avro import record_schema
from schemas.version import PIPELINE_VERSION
from transforms.blocks import PAYLOAD_HEAD_BYTES, MessageInfo, Rejection, context_beside
from transforms.encode.avro_columns import encode_records

PayloadPolicy = Literal["full", "hash", "none"]
"""What is kept of a rejected payload: it may hold names and e-mail addresses."""

_MAX_MESSAGE_BYTES = 1024

_ARROW_TYPES = {
    "boolean": pa.bool_(),
    "bytes": pa.binary(),
    "int": pa.int32(),
    "long": pa.int64(),
    "string": pa.string(),
}

_MANY = 64
"""From so many on, columns cost less: measured."""


def dead_letters(
    source: str, rejections: Sequence[Rejection], policy: PayloadPolicy, max_payload_bytes: int
) -> list[dict[str, Any]]:
    """Makes the records of dead letters.

    Args:
        source: Where the payloads came from.
        rejections: Why each was rejected.
        policy: What to keep of the payloads: all, their digest only, or neither.
        max_payload_bytes: A longer payload is kept as its head.
    """
    return [_record(source, each, policy, max_payload_bytes) for each in rejections]


def _attributes(message: MessageInfo | None) -> str | None:
    if message is None or not message.attributes:
        return None
    return json.dumps(dict(message.attributes), ensure_ascii=False)


def encoded_dead_letters(records: Sequence[dict[str, Any]]) -> pa.Buffer:
    """Encodes dead letters: as columns where they are many, which costs more for a few."""
    if len(records) >= _MANY:
        schema = record_schema("dead_letter").parsed
        columns = {
            field["name"]: pa.array([each[field["name"]] for each in records], _arrow_type(field))
            for field in schema["fields"]
        }
        return encode_records(schema, pa.RecordBatch.from_pydict(columns)).body
    body = io.BytesIO()
    for record in records:
        fastavro.schemaless_writer(body, _fastavro_schema(), record)
    return pa.py_buffer(body.getvalue())


def _arrow_type(field: dict[str, Any]) -> pa.DataType:
    kind = field["type"][1] if isinstance(field["type"], list) else field["type"]
    return _ARROW_TYPES[kind["type"] if isinstance(kind, dict) else kind]


@cache
def _fastavro_schema() -> Any:
    return fastavro.parse_schema(record_schema("dead_letter").parsed)


def _record(
    source: str, rejection: Rejection, policy: PayloadPolicy, max_payload_bytes: int
) -> dict[str, Any]:
    payload = rejection.payload
    size = len(payload) if rejection.full_size is None else rejection.full_size
    digest = rejection.full_sha256
    if digest is None:
        digest = hashlib.sha256(payload).hexdigest()
    kept: bytes | None = payload
    if policy != "full" or (not payload and size):
        kept = None
    elif len(payload) > max_payload_bytes:
        kept = payload[: min(PAYLOAD_HEAD_BYTES, max_payload_bytes)]
    context = context_beside(payload, rejection.context)
    message = context.message
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
        "message_id": message and message.message_id,
        "publish_time": message and message.publish_time,
        "attributes": _attributes(message),
        "pipeline_version": PIPELINE_VERSION,
        "attempt": context.attempt,
    }
