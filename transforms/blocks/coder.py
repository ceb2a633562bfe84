"""The coder of blocks. Beam asks it for the size of a block; hardly any runner encodes one.

Beam samples the sizes of elements. Its default coder encodes a whole element to find its size: for
blocks that took a tenth of all work.
"""

from __future__ import annotations

import pickle
from typing import Protocol, TypeVar

import apache_beam as beam


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


Block = TypeVar("Block", bound=_Sized)


class BlockCoder(beam.coders.Coder):
    """Estimates the sizes of blocks, and pickles them for a runner that does not fuse steps."""

    def encode(self, value: _Sized) -> bytes:
        """Pickles a block."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> _Sized:
        """Unpickles a block."""
        block: _Sized = pickle.loads(encoded)
        return block

    def estimate_size(self, value: _Sized) -> int:
        """Returns the size that a block states, in bytes."""
        return value.size

    def is_deterministic(self) -> bool:
        """Returns False: blocks are never keys."""
        return False


def with_block_coder(kind: type[Block]) -> type[Block]:
    """Registers BlockCoder as the coder of a type of blocks."""
    beam.coders.registry.register_coder(kind, BlockCoder)
    return kind
