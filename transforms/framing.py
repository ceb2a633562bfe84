"""Puts a length in front of each value of a column of bytes, with Arrow's kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Framing:
    """How a value is told from the next.

    Attributes:
        null: What stands for a null, or None where there can be none.
        prefix: What stands before a value of that many bytes.
    """

    null: bytes | None
    prefix: Callable[[int], bytes]


def framed(column: pa.Array, framing: Framing) -> tuple[pa.BinaryArray, pa.BinaryArray]:
    """Returns what stands before each value, and the values, to be joined.

    Args:
        column: Strings or bytes. Real columns have few distinct lengths: the prefixes are made
            once for each.
        framing: How to frame them.
    """
    lengths = pc.binary_length(column).dictionary_encode(null_encoding="encode")
    prefixes = [
        framing.null if length is None else framing.prefix(length)
        for length in lengths.dictionary.to_pylist()
    ]
    values = column.cast(pa.binary())
    if column.null_count:
        values = values.fill_null(b"")
    return pa.array(prefixes, pa.binary()).take(lengths.indices), values
