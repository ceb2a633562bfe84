"""Buffers that kernels may read: text with padding, and their addresses. Imports no Numba."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Octets = NDArray[np.uint8]

# The types of arrays in functions of machine code: an element and the number of dimensions.
ByteVector = Annotated[np.ndarray, np.uint8, 1]
Int32Vector = Annotated[np.ndarray, np.int32, 1]
Int64Vector = Annotated[np.ndarray, np.int64, 1]
Int64Matrix = Annotated[np.ndarray, np.int64, 2]
Int64Cube = Annotated[np.ndarray, np.int64, 3]
Uint64Matrix = Annotated[np.ndarray, np.uint64, 2]

PADDING = b"\n" + bytes(63)
"""Follows the text in every buffer that kernels read. The LF ends the last line, and the first NUL
ends everything else. Kernels read at most 63 bytes from the byte on that stops them: a vector of 32
bytes, or the rest of an escape."""


def padded(*parts: bytes | memoryview) -> bytes:
    """Joins parts of a text and adds the padding. Every buffer of a kernel is made here."""
    return b"".join((*parts, PADDING))


def address_of(buffer: bytes | bytearray | NDArray[Any]) -> int:
    """Returns the address of a buffer, which the caller must keep alive while it is used."""
    array = buffer if isinstance(buffer, np.ndarray) else np.frombuffer(buffer, np.uint8)
    address: int = array.__array_interface__["data"][0]
    return address


@dataclass(frozen=True, slots=True, eq=False)
class Payloads(Sequence[bytes]):
    """Texts in one buffer, each of which may be any bytes.

    Attributes:
        text: The buffer.
        starts: Where each starts, in bytes.
        ends: Where each ends. The next byte is LF or CR LF after a line, NUL after other payloads.
        are_lines: True if none of them contains an LF.
    """

    text: bytes
    starts: Int64s
    ends: Int64s
    are_lines: bool

    @staticmethod
    def of(payloads: Sequence[bytes]) -> Payloads:
        """Copies payloads, lines or not, into one buffer."""
        sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        ends = np.cumsum(sizes + 1) - 1
        return Payloads(padded(b"\0".join(payloads), b"\0"), ends - sizes, ends, False)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, number: Any) -> Any:
        return self.text[self.starts[number] : self.ends[number]]

    def __iter__(self) -> Iterator[bytes]:
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield self.text[start:end]

    @property
    def line_feed(self) -> int:
        """The byte that is white space within these payloads beside space, tab and CR."""
        return ord(" " if self.are_lines else "\n")


NO_PAYLOADS = Payloads.of([])
