"""Encodes Arrow columns as Avro records, driven by the Avro schema.

A column becomes a column of encoded bytes for each part of the Avro encoding. One join puts the
parts of all columns together row by row. The data buffer of the joined column is the body of an
Avro block. A dictionary column is encoded once per distinct value. The tests compare the result
with that of fastavro.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro import zigzag_varint
from transforms.blocks import Framing, Part, framed, joined

AvroType = dict[str, Any] | list[Any] | str


@dataclass(frozen=True, slots=True)
class Encoded:
    """The body of an Avro block, and the number of records in it."""

    body: pa.Buffer
    count: int


def encode_records(schema: dict[str, Any], batch: pa.RecordBatch) -> Encoded:
    """Encodes a batch as records of a schema.

    Args:
        schema: An Avro record.
        batch: Has a column with the name of each field. Other columns are ignored.

    Raises:
        KeyError: A column is missing.
        ValueError: A column has a null and its field does not allow it.
    """
    if not batch.num_rows:
        return Encoded(pa.py_buffer(b""), 0)
    columns = {name: batch.column(name) for name in batch.schema.names}
    records = joined(_record_parts(schema, columns), batch.num_rows)
    _, ends, data = records.buffers()
    bounds = np.frombuffer(ends, np.int32)
    start, stop = bounds[records.offset], bounds[records.offset + len(records)]
    return Encoded(data.slice(int(start), int(stop - start)), len(records))


_PLAIN = Framing.of(null=None, prefix=zigzag_varint)
_NULLABLE = Framing.of(null=b"\x00", prefix=lambda length: b"\x02" + zigzag_varint(length))


def _record_parts(schema: dict[str, Any], columns: dict[str, pa.Array]) -> list[Part]:
    parts: list[Part] = []
    for field in schema["fields"]:
        try:
            parts += _parts(field["type"], columns[field["name"]])
        except ValueError as error:
            raise ValueError(f"{field['name']}: {error}") from None
    return parts


def _parts(avro_type: AvroType, column: pa.Array) -> list[Part]:
    """Returns columns of bytes that encode a column when they are joined row by row."""
    if isinstance(column, pa.DictionaryArray):
        return _dictionary_parts(avro_type, column)
    if isinstance(avro_type, list):
        return _nullable_parts(avro_type, column)
    if column.null_count:
        raise ValueError("null in a field that cannot be null")
    kind = avro_type["type"] if isinstance(avro_type, dict) else avro_type
    if kind == "record":
        assert isinstance(avro_type, dict)
        names = [child.name for child in column.type]
        return _record_parts(avro_type, dict(zip(names, column.flatten(), strict=True)))
    if kind in ("string", "bytes"):
        return framed(column, _PLAIN)
    if kind in ("int", "long"):
        return [_varints(column)]
    if kind == "boolean":
        return [_choose(column, b"\x01", b"\x00")]
    raise TypeError(f"no encoding for Avro's {kind}")


def _dictionary_parts(avro_type: AvroType, column: pa.DictionaryArray) -> list[Part]:
    distinct, indices = column.dictionary, column.indices
    if not indices.null_count and len(distinct) <= len(indices):
        try:
            encoded = joined(_parts(avro_type, distinct), len(distinct))
            return [encoded[0]] if len(distinct) == 1 else [encoded.take(indices)]
        except ValueError:
            # The dictionary may hold an invalid value that no row uses.
            pass
    return _parts(avro_type, distinct.take(indices))


def _nullable_parts(union: list[Any], column: pa.Array) -> list[Part]:
    # The schemas of this project have only unions of null and one type, in this order.
    _, inner = union
    if column.null_count == len(column):
        return [_constant(b"\x00")]
    kind = inner["type"] if isinstance(inner, dict) else inner
    if kind in ("string", "bytes"):
        return framed(column, _NULLABLE)
    if not column.null_count:
        return [_constant(b"\x02"), *_parts(inner, column)]
    given = column.is_valid()
    # A null is removed below, so any value may replace it. The usual length costs least.
    filled = column.fill_null(pc.max(column))
    values = joined(_parts(inner, filled), len(column))
    return [_choose(given, b"\x02", b"\x00"), pc.if_else(given, values, _constant(b""))]


def _constant(value: bytes) -> pa.BinaryScalar:
    return pa.scalar(value, pa.binary())


def _choose(condition: pa.BooleanArray, true: bytes, false: bytes) -> pa.BinaryArray:
    return pc.if_else(condition, _constant(true), _constant(false))


def _varints(column: pa.Array) -> pa.BinaryArray:
    """Encodes a column of integers as zigzag variable-length integers, all rows at once."""
    numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    shortest, longest = (_octets_of(each) for each in (zigzag.min(), zigzag.max()))
    octets = _octets(zigzag, longest)
    if shortest == longest:
        # The last octet of a number has no continuation bit.
        octets[:, -1] &= 0x7F
        data = octets.ravel()
        ends = np.arange(0, (len(numbers) + 1) * longest, longest, dtype=np.int32)
    else:
        sizes = _octets_of(zigzag)
        octets[np.arange(len(numbers)), sizes - 1] &= 0x7F
        # Drop the octets after the last one of each number.
        data = octets[np.arange(longest) < sizes[:, None]]
        ends = np.zeros(len(numbers) + 1, np.int32)
        np.cumsum(sizes, out=ends[1:])
    return pa.Array.from_buffers(
        pa.binary(), len(numbers), [None, pa.py_buffer(ends), pa.py_buffer(data)]
    )


_LEAST_BY_OCTETS = np.array([1 << bits for bits in range(7, 64, 7)], np.uint64)
"""The smallest number that needs two octets, the smallest that needs three, and so on."""


def _octets_of(zigzag: np.ndarray | np.uint64) -> Any:
    """Returns the number of octets of each number."""
    return 1 + np.searchsorted(_LEAST_BY_OCTETS, zigzag, side="right")


_HALVES = (
    (0x0000_0000_0FFF_FFFF, 4),
    (0x0000_3FFF_0000_3FFF, 2),
    (0x007F_007F_007F_007F, 1),
)
"""Masks of the lower half of 56 bits, of their halves and of their quarters, each with the number
of bits by which the upper half moves up."""

_CONTINUATION_BITS = 0x8080_8080_8080_8080


def _octets(zigzag: np.ndarray, longest: int) -> np.ndarray:
    """Returns seven bits of each number per octet, lowest first, all with a continuation bit."""
    bits = zigzag & ((1 << 56) - 1)
    for lower, shift in _HALVES:
        bits = (bits & lower) | ((bits & ~np.uint64(lower)) << shift)
    octets: np.ndarray = (
        (bits | _CONTINUATION_BITS).astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    )
    if longest > 8:
        ninth, tenth = ((zigzag >> bits).astype(np.uint8) | 0x80 for bits in (56, 63))
        octets = np.column_stack([octets, ninth, tenth])
    return octets[:, :longest]
