"""Finds records and their fields in the bytes of Avro records, without decoding the records.

Avro has no index: the end of a record is known once all its fields are passed. So the fields of all
records are passed together, a field at a time, with NumPy. The starts come from the first field,
which has a form that few other bytes have. A position that only seems to be a start is passed as
well, and is recognised in the end: no record ends there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.avro import RecordName, listed_values, record_schema, zigzag_varint

Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

_ID = rb"[0-9a-f]{32}"
_LONGEST_VARINT = 10
_NULL, _VALUE = 0, 2
"""The branches of a union of null and a type, as Avro encodes them."""


class NotRecordsError(ValueError):
    """The bytes are not this number of records."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of all records.

    Attributes:
        valid: False where the field is null.
        begins: Where the text or the bytes of each record begin; None for numbers.
        ends: Where they end; None for numbers.
        numbers: The numbers; 0 for null. None for text and bytes.
    """

    valid: Flags
    begins: Longs | None = None
    ends: Longs | None = None
    numbers: Longs | None = None


class Records:
    """Records that follow one another.

    Args:
        name: The kind of the records.
        data: The bytes of all records.
        count: The number of records.

    Raises:
        NotRecordsError: The bytes are not `count` records of this kind.
    """

    def __init__(self, name: RecordName, data: bytes, count: int) -> None:
        self._data = data
        # Positions that only seem to be starts may lead behind the end.
        self._bytes = np.frombuffer(data + bytes(_LONGEST_VARINT + 1), np.uint8)
        self._limit = len(data)
        starts = _possible_starts(name, data)
        self._columns: dict[str, Column] = {}
        ends = self._pass_fields(record_schema(name).parsed["fields"], starts, "")
        if len(starts) != count or not _are_chained(starts, ends, self._limit):
            chosen = _chained(starts, ends, count, self._limit)
            starts = starts[chosen]
            self._columns = {path: _rows(each, chosen) for path, each in self._columns.items()}
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def lengths(self) -> Longs:
        """The length of each record in bytes."""
        return np.diff(self._starts, append=self._limit)

    def bodies(self) -> pa.BinaryArray:
        """Returns the bytes of each record, without copying them."""
        offsets = np.append(self._starts, self._limit).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._data)]
        return pa.Array.from_buffers(pa.binary(), len(self), buffers)

    def numbers(self, path: str) -> tuple[Longs, Flags]:
        """Returns a column of numbers, and which of them are valid."""
        column = self._columns[path]
        assert column.numbers is not None
        return column.numbers, column.valid

    def valid(self, path: str) -> Flags:
        """Returns which values of a column are not null."""
        return self._columns[path].valid

    def texts(self, path: str) -> pa.Array:
        """Returns a column of text."""
        column = self._columns[path]
        assert column.begins is not None and column.ends is not None
        count = len(self)
        # The texts are every other value; between them is the rest of the records.
        offsets = np.empty(2 * count + 1, np.int32)
        offsets[:-1:2], offsets[1::2], offsets[-1] = column.begins, column.ends, self._limit
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._data)]
        values = pa.Array.from_buffers(pa.binary(), 2 * count, buffers)
        indices = pa.array(np.arange(0, 2 * count, 2), mask=~column.valid)
        return values.take(indices).view(pa.string())

    def _pass_fields(self, fields: list[dict[str, Any]], at: Longs, prefix: str) -> Longs:
        for field in fields:
            at = self._pass_field(field["type"], at, prefix + field["name"])
        return at

    def _pass_field(self, kind: Any, at: Longs, path: str) -> Longs:
        """Adds the column of a field that begins at these positions, and returns its ends."""
        if isinstance(kind, dict) and kind["type"] == "record":
            return self._pass_fields(kind["fields"], at, path + ".")
        if isinstance(kind, list):
            valid = self._byte(at) == _VALUE
            at = at + 1
            if not valid.all():
                rows = np.flatnonzero(valid)
                column, ends = self._pass_value(kind[1], at[rows])
                self._columns[path] = _spread(column, valid, at)
                at = at.copy()
                at[rows] = ends
                return at
            kind = kind[1]
        self._columns[path], at = self._pass_value(kind, at)
        return at

    def _pass_value(self, kind: Any, at: Longs) -> tuple[Column, Longs]:
        kind = kind["type"] if isinstance(kind, dict) else kind
        valid = np.ones(len(at), np.bool_)
        if kind == "boolean":
            return Column(valid, numbers=self._byte(at).astype(np.int64)), at + 1
        numbers, at = self._varints(at)
        if kind in ("int", "long"):
            return Column(valid, numbers=numbers), at
        ends = np.clip(at + np.maximum(numbers, 0), 0, self._limit)
        return Column(valid, at, ends), ends

    def _byte(self, at: Longs) -> Bytes:
        return self._bytes[np.minimum(at, self._limit)]

    def _varints(self, at: Longs) -> tuple[Longs, Longs]:
        """Reads numbers in Avro's encoding, and returns them and their ends."""
        at = np.minimum(at, self._limit)
        byte = self._bytes[at]
        values = (byte & 0x7F).astype(np.uint64)
        ends = at + 1
        rows = np.flatnonzero(byte & 0x80)
        for shift in range(7, 70, 7):
            if not len(rows):
                break
            byte = self._bytes[np.minimum(ends[rows], self._limit)]
            values[rows] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
            ends[rows] += 1
            rows = rows[(byte & 0x80) != 0]
        signs = -(values & np.uint64(1)).astype(np.int64)
        return (values >> np.uint64(1)).astype(np.int64) ^ signs, ends


def _spread(column: Column, valid: Flags, at: Longs) -> Column:
    """Returns a column of the valid rows as one of all rows. A null is empty, at its position."""
    if column.numbers is not None:
        numbers = np.zeros(len(valid), np.int64)
        numbers[valid] = column.numbers
        return Column(valid, numbers=numbers)
    begins, ends = at.copy(), at.copy()
    assert column.begins is not None and column.ends is not None
    begins[valid], ends[valid] = column.begins, column.ends
    return Column(valid, begins, ends)


def _rows(column: Column, rows: Longs) -> Column:
    parts = (column.valid, column.begins, column.ends, column.numbers)
    return Column(*(None if part is None else part[rows] for part in parts))  # type: ignore[arg-type]


@cache
def _start_pattern(name: RecordName) -> re.Pattern[bytes]:
    """Returns a pattern that matches at each start of a record, and rarely elsewhere."""
    first, second = record_schema(name).parsed["fields"][:2]
    start = b""
    for field in (first, second):
        values = listed_values(field)
        if values is not None:
            texts = [zigzag_varint(len(value)) + value.encode() for value in values]
            start += b"(?:" + b"|".join(map(re.escape, texts)) + b")"
        elif field["name"].endswith("_id"):
            start += re.escape(zigzag_varint(32)) + _ID
    return re.compile(start)


def _possible_starts(name: RecordName, data: bytes) -> Longs:
    # A match cannot hide a start within it: no character of a pattern but the first is a start's.
    matches = _start_pattern(name).finditer(data)
    return np.fromiter((match.start() for match in matches), np.int64)


def _are_chained(starts: Longs, ends: Longs, limit: int) -> bool:
    if not len(starts):
        return not limit
    return bool(starts[0] == 0 and ends[-1] == limit and (ends[:-1] == starts[1:]).all())


def _chained(starts: Longs, ends: Longs, count: int, limit: int) -> Longs:
    """Returns the indices of the starts that are records: each begins where another one ends."""
    index_of = dict(zip(starts.tolist(), range(len(starts)), strict=True))
    end_of = ends.tolist()
    chosen: list[int] = []
    at = 0
    while at < limit and len(chosen) < count:
        index = index_of.get(at)
        if index is None:
            break
        chosen.append(index)
        at = end_of[index]
    if at != limit or len(chosen) != count:
        raise NotRecordsError(f"it does not hold {count} records where it should")
    return np.array(chosen, np.int64)
