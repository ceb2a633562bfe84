"""EncodeAvro: encodes the records and the dead letters of a block, and makes its ledger.

Records are encoded before the sink, so that the sink only appends valid bytes: a value that stops a
writer in the middle makes the whole file unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

from schemas.avro import Codec, listed_values, record_schema
from transforms.blocks import AvroBlock, EncodedBlock, EventBlock, isolating
from transforms.encode.avro_columns import encode_records
from transforms.encode.block_ledger import ledger_of
from transforms.encode.dead_letters import PayloadPolicy, dead_letters, encoded_dead_letters

STEP = "EncodeAvro"

_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class BlockEncoder:
    """Encodes blocks; the pure part of EncodeAvro, with the same arguments."""

    codec: Codec
    payload_policy: PayloadPolicy
    max_payload_bytes: int

    def encode(self, block: EventBlock) -> EncodedBlock:
        """Encodes a block. A row that violates the schema becomes a dead letter."""
        schema = record_schema("job_status_event").parsed
        while violation := find_violation(schema, block.events):
            block = block.reject(violation.rows, "SCHEMA_VIOLATION", STEP, violation.message)
        return EncodedBlock(
            self._records(block) if block.payloads else None,
            self._dead_letters(block) if block.rejections else None,
            ledger_of(block),
        )

    def _records(self, block: EventBlock) -> AvroBlock:
        encoded = encode_records(record_schema("job_status_event").parsed, block.events)
        return AvroBlock(encoded.count, self._compressed(encoded.body))

    def _dead_letters(self, block: EventBlock) -> AvroBlock:
        records = dead_letters(
            block.source, block.rejections, self.payload_policy, self.max_payload_bytes
        )
        return AvroBlock(len(records), self._compressed(encoded_dead_letters(records)))

    def _compressed(self, body: pa.Buffer) -> bytes:
        if self.codec == "deflate":
            return isal_zlib.compress(body, wbits=_RAW_DEFLATE)
        return body.to_pybytes()


class Violation(NamedTuple):
    """Rows that violate the schema in the same way."""

    rows: list[int]
    message: str


def find_violation(schema: dict[str, Any], batch: pa.RecordBatch) -> Violation | None:
    """Finds the rows that violate the schema in the first field with a violation.

    A violation is a null that the field does not allow, or a value outside the field's closed list.
    """
    for path, field, column, indices in _fields(schema, batch):
        if column.null_count and not isinstance(field["type"], list):
            rows = _rows_where(column.is_null(), indices)
            if rows:
                return Violation(rows, f"{path} is null, which the schema does not allow")
        values = listed_values(field)
        if values is not None:
            is_listed = pc.is_in(column, pa.array(values, pa.string()))
            rows = _rows_where(pc.and_not(column.is_valid(), is_listed), indices)
            if rows:
                return Violation(rows, f"{path} is not one of the values that the schema lists")
    return None


def _fields(
    schema: dict[str, Any], batch: pa.RecordBatch
) -> Iterator[tuple[str, dict[str, Any], pa.Array, pa.Array | None]]:
    """Yields the path, the field and the distinct values of each column; indices if it has any."""
    for field in schema["fields"]:
        column, indices = batch.column(field["name"]), None
        if isinstance(column, pa.DictionaryArray):
            column, indices = column.dictionary, column.indices
            if indices.null_count:
                column, indices = column.take(indices), None
        yield field["name"], field, column, indices
        if isinstance(field["type"], dict) and field["type"]["type"] == "record":
            names = [child.name for child in column.type]
            children = dict(zip(names, column.flatten(), strict=True))
            for child in field["type"]["fields"]:
                path = f"{field['name']}.{child['name']}"
                yield path, child, children[child["name"]], indices


def _rows_where(condition: pa.BooleanArray, indices: pa.Array | None) -> list[int]:
    if not condition.true_count:
        return []
    rows = condition if indices is None else condition.take(indices)
    return np.flatnonzero(rows.to_numpy(zero_copy_only=False)).tolist()


def encode_block(block: EventBlock, encoder: BlockEncoder) -> Iterator[EncodedBlock]:
    """Encodes a block; a row that triggers a bug becomes a dead letter."""
    return isolating(STEP, encoder.encode, block)


class EncodeAvro(beam.PTransform):
    """Encodes blocks of derived events as Avro.

    Args:
        codec: Codec of the Avro files: deflate or null.
        payload_policy: Whether dead letters keep their payloads, only the digests, or neither.
        max_payload_bytes: Dead letters keep only the head of a longer payload.

    Returns:
        A collection of EncodedBlock.
    """

    def __init__(
        self,
        *,
        codec: Codec = "deflate",
        payload_policy: PayloadPolicy = "full",
        max_payload_bytes: int = 10_000_000,
    ) -> None:
        super().__init__()
        encoder = BlockEncoder(codec, payload_policy, max_payload_bytes)
        self._encode = beam.FlatMap(encode_block, encoder)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | self._encode.with_output_types(EncodedBlock)
