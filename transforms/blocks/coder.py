"""The coder of blocks. Beam asks it how large a block is; nothing asks it to encode one.

Beam samples the sizes of elements, and its usual coder tells a size by encoding the whole element:
for blocks that was a tenth of all work.
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
    """Tells the sizes of blocks; pickles them for an engine that puts its steps into no stages."""

    def encode(self, value: _Sized) -> bytes:
        """Pickles a block."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> _Sized:
        """Reads what `encode` made."""
        block: _Sized = pickle.loads(encoded)
        return block

    def estimate_size(self, value: _Sized) -> int:
        """What a block says of its size, in bytes."""
        return value.size

    def is_deterministic(self) -> bool:
        """Blocks are never keys."""
        return False


def with_block_coder(kind: type[Block]) -> type[Block]:
    """Makes BlockCoder the coder of a type of blocks."""
    beam.coders.registry.register_coder(kind, BlockCoder)
    return kind
