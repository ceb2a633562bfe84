"""EncodeAvro: columns → encoded records, encoded dead letters, and the books of the block.

Records are encoded before the sink, so that the sink can only append bytes that are known to be
good: a value that breaks a writer half-way leaves the whole file unreadable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

from schemas.avro import RecordName, listed_values, record_schema
from transforms.avro_columns import encode_records
from transforms.blocks import EventBlock, isolating
from transforms.books import Books
from transforms.dead_letters import PayloadPolicy, dead_letters
from transforms.derive import Derived, unmapped_key

STEP = "EncodeAvro"

Codec = Literal["deflate", "null"]

_RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class AvroBlock:
    """A block of an Avro file.

    Attributes:
        count: How many records are in it.
        data: Their encoding, compressed by the codec.
    """

    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """What a block has become.

    Attributes:
        records: The job status events, or None.
        dead_letters: The dead letters, or None.
        books: What the block accounts for; records are counted as written by the sink alone.
    """

    records: AvroBlock | None
    dead_letters: AvroBlock | None
    books: Books


class BlockEncoder:
    """Encodes blocks; the pure part of EncodeAvro.

    Args:
        codec: Of the Avro files.
        payload_policy: What dead letters keep of their payload.
        max_payload_bytes: Dead letters keep only the head of a longer payload.
    """

    def __init__(
        self, codec: Codec, payload_policy: PayloadPolicy, max_payload_bytes: int
    ) -> None:
        self._codec = codec
        self._payload_policy = payload_policy
        self._max_payload_bytes = max_payload_bytes

    def encode(self, block: EventBlock) -> EncodedBlock:
        """Encodes a block; a row that breaks the schema becomes a dead letter."""
        schema = record_schema("job_status_event").parsed
        violations = rows_outside_lists(schema, block.events)
        for path, rows in violations.items():
            message = f"{path} is not one of the values that the schema lists"
            block = block.reject(rows, "SCHEMA_VIOLATION", STEP, message)
        rejected = dead_letters(
            block.source, block.rejections, self._payload_policy, self._max_payload_bytes
        )
        return EncodedBlock(
            self._avro_block("job_status_event", block.events),
            self._avro_block("dead_letter", rejected),
            books_of(block),
        )

    def _avro_block(self, name: RecordName, batch: pa.RecordBatch) -> AvroBlock | None:
        if not batch.num_rows:
            return None
        body, count = encode_records(record_schema(name).parsed, batch)
        if self._codec == "deflate":
            return AvroBlock(count, isal_zlib.compress(body, wbits=_RAW_DEFLATE))
        return AvroBlock(count, body.to_pybytes())


def rows_outside_lists(schema: dict[str, Any], batch: pa.RecordBatch) -> dict[str, list[int]]:
    """Finds the rows with a value outside the closed list of its field, by the field's path.

    A row is found for the first such field only.
    """
    found: dict[str, list[int]] = {}
    seen: set[int] = set()
    for path, values, column, indices in _listed_columns(schema, batch):
        outside = pc.invert(pc.or_kleene(pc.is_in(column, pa.array(values)), column.is_null()))
        if not outside.true_count:
            continue
        rows = outside if indices is None else outside.take(indices)
        new = [row for row in np.flatnonzero(rows).tolist() if row not in seen]
        found[path] = new
        seen.update(new)
    return {path: rows for path, rows in found.items() if rows}


def _listed_columns(
    schema: dict[str, Any], batch: pa.RecordBatch
) -> Iterator[tuple[str, list[str], pa.Array, pa.Array | None]]:
    for field in schema["fields"]:
        values = listed_values(field)
        column = batch.column(field["name"])
        if values is not None:
            yield field["name"], values, column, None
        elif isinstance(field["type"], dict) and field["type"]["type"] == "record":
            distinct = column.dictionary
            for child in field["type"]["fields"]:
                values = listed_values(child)
                if values is not None:
                    path = f"{field['name']}.{child['name']}"
                    yield path, values, distinct.field(child["name"]), column.indices


def books_of(block: EventBlock) -> Books:
    """The books of a block: what it read and what it says, before anything is written."""
    books = Books(
        read=block.read,
        ignored_by_type=block.ignored,
        by_error_code=dict(Counter(each.code for each in block.rejections)),
        unreadable_timestamps=block.unreadable_timestamps,
    )
    books.account_for(block.source, block.span, block.note)
    if not block.events.num_rows:
        return books
    status = block.events.column("job_status")
    counts = np.bincount(status.indices, minlength=len(status.dictionary)).tolist()
    distinct = status.dictionary.to_pylist()
    for each, count in zip(distinct, counts, strict=True):
        if not count:
            continue
        for counter, key in (
            (books.by_value, each["value"] or "null"),
            (books.by_source_value_type, each["source_value_type"]),
            (books.by_derivation, each["derivation"]),
        ):
            counter[key] = counter.get(key, 0) + count
    _tally_unmapped(books, block, distinct)
    return books


def _tally_unmapped(books: Books, block: EventBlock, distinct: list[dict[str, Any]]) -> None:
    derived = [
        Derived(each["value"], each["source_value"], each["derived_from"], each["derivation"])
        for each in distinct
    ]
    is_unmapped = np.array([each.derivation == "unmapped" for each in derived])
    if not is_unmapped.any():
        return
    indices = block.events.column("job_status").indices.to_numpy()
    rows = np.flatnonzero(is_unmapped[indices])
    providers = block.events.column("provider").take(pa.array(rows)).to_pylist()
    legacy = block.events.column("legacy_status").take(pa.array(rows)).to_pylist()
    for provider, legacy_status, index in zip(
        providers, legacy, indices[rows].tolist(), strict=True
    ):
        given_value = distinct[index]["given_value"]
        key = unmapped_key(derived[index], provider, given_value, legacy_status)
        if key is not None:
            books.unmapped.add(*key)


class _EncodeAvro(beam.DoFn):  # type: ignore[misc]
    def __init__(
        self, codec: Codec, payload_policy: PayloadPolicy, max_payload_bytes: int
    ) -> None:
        self._encoder = BlockEncoder(codec, payload_policy, max_payload_bytes)

    def process(self, block: EventBlock) -> Iterator[EncodedBlock]:
        return isolating(STEP, self._encoder.encode, block)


class EncodeAvro(beam.PTransform):  # type: ignore[misc]
    """Encodes blocks of derived events as Avro.

    Args:
        codec: Of the Avro files: deflate or null.
        payload_policy: What dead letters keep of their payload.
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
        self._do_fn = _EncodeAvro(codec, payload_policy, max_payload_bytes)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | beam.ParDo(self._do_fn)
