"""Encodes Arrow columns as Avro records, driven by the Avro schema.

A column becomes a column of encoded bytes for each part of the Avro encoding; one join puts the
parts of all columns together row by row, and the joined column's data is the body of an Avro block
as it stands. A dictionary column is encoded once for each distinct value. fastavro is the reference
that this is held to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.framing import Framing, framed

AvroType = dict[str, Any] | list[Any] | str


class Encoded(NamedTuple):
    """The body of an Avro block, and how many records are in it."""

    body: pa.Buffer
    count: int


def encode_records(schema: dict[str, Any], batch: pa.RecordBatch) -> Encoded:
    """Encodes a batch as records of a schema.

    Args:
        schema: An Avro record.
        batch: Has a column for each field, by name; others are left alone.

    Raises:
        KeyError: A column is missing.
        ValueError: A column is null where its field cannot be.
    """
    joined = _join(_record_parts(schema, {name: batch.column(name) for name in batch.schema.names}))
    if not len(joined):
        return Encoded(pa.py_buffer(b""), 0)
    _, ends, data = joined.buffers()
    bounds = np.frombuffer(ends, np.int32)
    start, stop = bounds[joined.offset], bounds[joined.offset + len(joined)]
    return Encoded(data.slice(int(start), int(stop - start)), len(joined))


def zigzag_varint(number: int) -> bytes:
    """Encodes one long as Avro does.

    Source: Avro specification, binary encoding of int and long.
    """
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_PLAIN = Framing(null=None, prefix=zigzag_varint)


def _record_parts(schema: dict[str, Any], columns: dict[str, pa.Array]) -> list[pa.Array]:
    parts = []
    for field in schema["fields"]:
        try:
            parts += _parts(field["type"], columns[field["name"]])
        except ValueError as error:
            raise ValueError(f"{field['name']}: {error}") from None
    return parts


def _parts(avro_type: AvroType, column: pa.Array) -> list[pa.Array]:
    """The columns of bytes that, joined row by row, encode a column."""
    if isinstance(column, pa.DictionaryArray):
        if column.indices.null_count:
            return _parts(avro_type, column.dictionary_decode())
        return [_join(_parts(avro_type, column.dictionary)).take(column.indices)]
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
        return list(framed(column, _PLAIN))
    if kind in ("int", "long"):
        return [_varints(column)]
    if kind == "boolean":
        return [_choose(column, b"\x01", b"\x00")]
    raise TypeError(f"no encoding for Avro's {kind}")


def _nullable_parts(union: list[Any], column: pa.Array) -> list[pa.Array]:
    # The records of this project know no union but of null and one type, in this order.
    _, inner = union
    if column.null_count == len(column):
        return [_repeat(b"\x00", len(column))]
    kind = inner["type"] if isinstance(inner, dict) else inner
    if kind in ("string", "bytes"):
        framing = Framing(null=b"\x00", prefix=lambda length: b"\x02" + zigzag_varint(length))
        return list(framed(column, framing))
    if not column.null_count:
        return [_repeat(b"\x02", len(column)), *_parts(inner, column)]
    given = column.is_valid()
    filled = column.fill_null(pa.scalar(0).cast(column.type))
    values = _join(_parts(inner, filled))
    empty = pa.scalar(b"", pa.binary())
    return [_choose(given, b"\x02", b"\x00"), pc.if_else(given, values, empty)]


def _join(parts: list[pa.Array]) -> pa.BinaryArray:
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, b"")


def _repeat(value: bytes, count: int) -> pa.BinaryArray:
    return pa.repeat(pa.scalar(value, pa.binary()), count)


def _choose(condition: pa.BooleanArray, true: bytes, false: bytes) -> pa.BinaryArray:
    return pc.if_else(condition, pa.scalar(true, pa.binary()), pa.scalar(false, pa.binary()))


def _varints(column: pa.Array) -> pa.BinaryArray:
    """A column of whole numbers, zigzag and variable-length, all rows at once."""
    numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    shifts = np.arange(0, 70, 7, dtype=np.uint64)
    groups = zigzag[:, None] >> shifts
    # How many groups of seven bits a number needs: at least one.
    sizes = np.maximum((groups != 0).sum(axis=1), 1)
    place = np.arange(len(shifts))
    last = place == (sizes - 1)[:, None]
    octets = (groups & np.uint64(0x7F)).astype(np.uint8) | np.where(last, 0, 0x80).astype(np.uint8)
    data = octets[place < sizes[:, None]]
    ends = np.zeros(len(numbers) + 1, np.int32)
    np.cumsum(sizes, out=ends[1:])
    return pa.Array.from_buffers(
        pa.binary(), len(numbers), [None, pa.py_buffer(ends), pa.py_buffer(data)]
    )
