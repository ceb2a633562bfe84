"""Numbers the distinct combinations of texts that decide on a status.

Real data has few of them, so the rules run in Python, once for each new combination. The table is
safe with hostile data: a random seed decides the places, a look-up ends after MOST_PROBES places,
and `finishing` starts a new table when one is full. A combination without a place in the table gets
a new number each time, which costs time but gives the same results.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transforms.kernel import rows
from transforms.kernel.buffers import Int32Vector, Int64Cube, Int64Matrix, Int64Vector
from transforms.kernel.compiling import compiled, inlined
from transforms.kernel.octets import LOWEST_BYTES, copied, high_product, is_equal, word_at

COMBINED = (rows.JOB_STATUS, rows.PROVIDER, rows.EVENT_TYPE, rows.LEGACY_STATUS, rows.RECORD_TYPE)
"""The fields of a combination."""

MOST_PROBES = 32
"""With a table that is at most half full, fewer than one key in a million needs as many."""

NO_ROOM = -1

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_OTHER_FACTOR = np.uint64(0xD1342543DE82EF95)
_MISSING_WORD = np.uint64(0xA5A5A5A5A5A5A5A5)


@inlined
def mixed(state: np.uint64, word: np.uint64) -> np.uint64:
    """Adds a word to the state of a hash: both halves of a product."""
    product = (state ^ word) * _FACTOR
    return product ^ high_product(state ^ word, _OTHER_FACTOR)


@inlined
def hashed(state: np.uint64, start: int, end: int) -> np.uint64:
    """Adds a text to the state of a hash; 0 as its start stands for no text."""
    if start == 0:
        return mixed(state, _MISSING_WORD)
    size = end - start
    state = mixed(state, np.uint64(size))
    while size > 0:
        state = mixed(state, word_at(start) & LOWEST_BYTES[min(size, 8)])
        start += 8
        size -= 8
    return state


class Table(NamedTuple):
    """The combinations so far, as kernels get them.

    Attributes:
        seed: A random number.
        numbers: The number of the combination at each place, or MISSING; a power of 2 of places.
        places: Start and end in the arena of each text of each combination.
        arena: Address of the texts.
        arena_bytes: Its size, without padding.
        used: Number of combinations, and bytes of the arena that are used.
    """

    seed: np.uint64
    numbers: Int32Vector
    places: Int64Cube
    arena: int
    arena_bytes: int
    used: Int64Vector


@compiled
def number_of(texts: Int64Matrix, table: Table) -> int:
    """Returns the number of a combination; adds it if it is new.

    Args:
        texts: Start and end of each field of a row, as addresses; 0 as the start if it is missing.
        table: The combinations.

    Returns:
        The number, or NO_ROOM if there is none in `places` or in the arena.
    """
    numbers, places, used = table.numbers, table.places, table.used
    state = table.seed
    for index in range(len(COMBINED)):
        field = COMBINED[index]
        state = hashed(state, texts[field, rows.START], texts[field, rows.END])
    place = int(np.int64(state >> np.uint64(32))) & (len(numbers) - 1)
    free = rows.MISSING
    for _ in range(MOST_PROBES):
        number = int(numbers[place])
        if number == rows.MISSING:
            free = place
            break
        is_same = True
        for index in range(len(COMBINED)):
            field = COMBINED[index]
            start, end = texts[field, rows.START], texts[field, rows.END]
            known, known_end = places[number, index, rows.START], places[number, index, rows.END]
            if start == 0 or known == rows.MISSING:
                is_same = is_same and start == 0 and known == rows.MISSING
            else:
                is_same = is_same and end - start == known_end - known
                is_same = is_same and is_equal(start, table.arena + known, end - start)
        if is_same:
            return number
        place = (place + 1) & (len(numbers) - 1)
    size = 0
    for index in range(len(COMBINED)):
        size += texts[COMBINED[index], rows.END] - texts[COMBINED[index], rows.START]
    if used[0] == len(places) or used[1] + size > table.arena_bytes:
        return NO_ROOM
    number = int(used[0])
    for index in range(len(COMBINED)):
        start, end = texts[COMBINED[index], rows.START], texts[COMBINED[index], rows.END]
        if start == 0:
            places[number, index, rows.START] = rows.MISSING
            places[number, index, rows.END] = rows.MISSING
        else:
            copied(table.arena + used[1], start, end)
            places[number, index, rows.START] = used[1]
            used[1] += end - start
            places[number, index, rows.END] = used[1]
    used[0] += 1
    if free != rows.MISSING:
        numbers[free] = number
    return number
