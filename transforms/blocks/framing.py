"""Puts a prefix with its length before each value of a column of bytes, with Arrow's kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Part: TypeAlias = "pa.Array | pa.Scalar"
"""A column of bytes, or bytes that are the same in every row."""

_TABLE_LENGTHS = 512


@dataclass(frozen=True, slots=True)
class Framing:
    """The prefixes of values.

    Attributes:
        null: The bytes of a null, or None if there are no nulls.
        prefix: Returns the prefix of a value of a length in bytes.
        table: The prefixes of short values, by length, then the bytes of a null.
    """

    null: bytes | None
    prefix: Callable[[int], bytes]
    table: pa.BinaryArray

    @staticmethod
    def of(null: bytes | None, prefix: Callable[[int], bytes]) -> Framing:
        """Makes a framing with its table."""
        prefixes = [prefix(length) for length in range(_TABLE_LENGTHS)]
        return Framing(null, prefix, pa.array([*prefixes, null], pa.binary()))


def framed(column: pa.Array, framing: Framing) -> list[Part]:
    """Returns the prefixes and the values of a column, to be joined.

    The column holds strings or bytes, or is a dictionary of them.
    """
    if isinstance(column, pa.DictionaryArray):
        distinct = joined(framed(column.dictionary, framing), len(column.dictionary))
        is_constant = len(distinct) == 1 and not column.indices.null_count
        return [distinct[0]] if is_constant else [distinct.take(column.indices)]
    if column.null_count == len(column):
        return [pa.scalar(framing.null, pa.binary())]
    lengths = pc.binary_length(column)
    bounds = pc.min_max(lengths)
    shortest, longest = bounds["min"].as_py(), bounds["max"].as_py()
    values = column.view(pa.binary())
    if shortest == longest and not column.null_count:
        return [pa.scalar(framing.prefix(longest), pa.binary()), values]
    if longest < _TABLE_LENGTHS:
        return [framing.table.take(lengths.fill_null(_TABLE_LENGTHS)), values]
    # Real columns have few distinct lengths, so each prefix is made once.
    distinct = lengths.dictionary_encode(null_encoding="encode")
    prefixes = [
        framing.null if length is None else framing.prefix(length)
        for length in distinct.dictionary.to_pylist()
    ]
    return [pa.array(prefixes, pa.binary()).take(distinct.indices), values]


def joined(parts: list[Part], count: int) -> pa.BinaryArray:
    """Joins parts row by row, in their order. `count` is the number of rows."""
    if len(parts) == 1 and isinstance(parts[0], pa.Array):
        return parts[0]
    if any(isinstance(part, pa.Array) for part in parts):
        # A null contributes only its prefix.
        return pc.binary_join_element_wise(*parts, b"", null_handling="replace")
    return pa.repeat(pa.scalar(b"".join(part.as_py() for part in parts), pa.binary()), count)
