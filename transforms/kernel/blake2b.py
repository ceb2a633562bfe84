"""Computes BLAKE2b-128 (RFC 7693) of four messages at once, one in each lane of a vector.

A single message keeps a processor waiting for its own results. Four at a time take half the time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from transforms.kernel.buffers import Int64Vector, Uint64Matrix
from transforms.kernel.compiling import compiled
from transforms.kernel.octets import INT64, VOID, instruction, set_word, word_at

LANES = 4
BLOCK_BYTES = 128
DIGEST_BYTES = 16
PERSON = b"job-status/1"
"""Makes the digests differ from those of any other program."""

_INITIAL = (
    *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
    *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
)
_SIGMA = (
    *("0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8"),
    *("905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a"),
    *("6fe9b308c2d714a5", "a2847615fb9e3cd0"),
)
"""The order of the message's words in each round, in hex digits."""
_ROUNDS = 12
_MIXED = (
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)

_STATE_WORDS, _BLOCK_WORDS = 8, 16
_VECTOR_BYTES = 8 * LANES
_BLOCK = _STATE_WORDS * _VECTOR_BYTES
_COUNT = _BLOCK + _BLOCK_WORDS * _VECTOR_BYTES
_IS_LAST = _COUNT + _VECTOR_BYTES

HASH_SCRATCH_BYTES = _IS_LAST + _VECTOR_BYTES
"""Memory that `digests` needs: the vectors of the states, the blocks, the counts and the flags."""

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)


@instruction(VOID, INT64)
def compress(builder: Any, scratch: Any) -> None:
    """Adds a block of each message to its state; everything is in the scratch memory."""

    def place(offset: int) -> Any:
        address = builder.add(scratch, ir.Constant(_WORD, offset))
        return builder.inttoptr(address, _VECTOR.as_pointer())

    def load(offset: int) -> Any:
        return builder.load(place(offset), align=8)

    def all_lanes(number: int) -> Any:
        return ir.Constant(_VECTOR, [ir.Constant(_WORD, number)] * LANES)

    def rotated(vector: Any, bits: int) -> Any:
        low = builder.lshr(vector, all_lanes(bits))
        return builder.or_(low, builder.shl(vector, all_lanes(64 - bits)))

    state = [load(_VECTOR_BYTES * number) for number in range(_STATE_WORDS)]
    block = [load(_BLOCK + _VECTOR_BYTES * number) for number in range(_BLOCK_WORDS)]
    v = state + [all_lanes(word) for word in _INITIAL]
    v[12] = builder.xor(v[12], load(_COUNT))
    v[14] = builder.xor(v[14], load(_IS_LAST))
    for number in range(_ROUNDS):
        words = iter(block[int(digit, 16)] for digit in _SIGMA[number % len(_SIGMA)])
        for a, b, c, d in _MIXED:
            for first, second in ((32, 24), (16, 63)):
                v[a] = builder.add(builder.add(v[a], v[b]), next(words))
                v[d] = rotated(builder.xor(v[d], v[a]), first)
                v[c] = builder.add(v[c], v[d])
                v[b] = rotated(builder.xor(v[b], v[c]), second)
    for number, word in enumerate(state):
        new = builder.xor(word, builder.xor(v[number], v[number + 8]))
        builder.store(new, place(_VECTOR_BYTES * number), align=8)


def _start() -> np.ndarray:
    """Returns the first state: the parameters are added to the initial words (RFC 7693, 2.5)."""
    words = list(_INITIAL)
    words[0] ^= 0x0101_0000 | DIGEST_BYTES
    person = PERSON.ljust(16, b"\0")
    words[6] ^= int.from_bytes(person[:8], "little")
    words[7] ^= int.from_bytes(person[8:], "little")
    return np.array(words, np.uint64)


_START = _start()
_ALL_ONES = np.uint64(2**64 - 1)


class Messages(NamedTuple):
    """The memory for LANES messages, as kernels get it.

    Attributes:
        start: Address of the first message. Each may be overwritten up to a whole block.
        room: Bytes from the start of one message to that of the next: whole blocks.
        lengths: Length of each message in bytes.
        scratch: Address of HASH_SCRATCH_BYTES bytes.
    """

    start: int
    room: int
    lengths: Int64Vector
    scratch: int


@compiled
def digests(messages: Messages, ids: Uint64Matrix, first: int) -> None:
    """Computes the digests of four messages.

    Args:
        messages: The messages.
        ids: Takes two words for each message, the first byte of the digest as the lowest.
        first: The row of the first message. Rows after the last one are left out.
    """
    room, lengths, scratch = messages.room, messages.lengths, messages.scratch
    blocks = 1
    for lane in range(LANES):
        for number in range(_STATE_WORDS):
            set_word(scratch + _VECTOR_BYTES * number + 8 * lane, _START[number])
        end = messages.start + lane * room + lengths[lane]
        for number in range(_BLOCK_WORDS):
            set_word(end + 8 * number, np.uint64(0))
        blocks = max(blocks, (lengths[lane] + BLOCK_BYTES - 1) // BLOCK_BYTES)
    for block in range(blocks):
        stop = BLOCK_BYTES * (block + 1)
        for lane in range(LANES):
            start = messages.start + lane * room + BLOCK_BYTES * block
            for number in range(_BLOCK_WORDS):
                vector = scratch + _BLOCK + _VECTOR_BYTES * number
                set_word(vector + 8 * lane, word_at(start + 8 * number))
            set_word(scratch + _COUNT + 8 * lane, np.uint64(min(lengths[lane], stop)))
            is_last = _ALL_ONES if lengths[lane] <= stop else np.uint64(0)
            set_word(scratch + _IS_LAST + 8 * lane, is_last)
        compress(scratch)
        for lane in range(LANES):
            # Later blocks of the other messages do not change a digest that is complete.
            is_complete = block == max(0, (lengths[lane] - 1) // BLOCK_BYTES)
            if is_complete and first + lane < len(ids):
                ids[first + lane, 0] = word_at(scratch + 8 * lane)
                ids[first + lane, 1] = word_at(scratch + _VECTOR_BYTES + 8 * lane)
