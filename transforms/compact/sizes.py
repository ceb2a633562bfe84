"""Tallies how many bytes of records each day has, and when: what a plan of files is made from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from msgspec import Struct, msgpack

from transforms.compact.avro_fields import Flags, Longs, Records
from transforms.compact.committed_files import SourceFile
from transforms.compact.identity import Words, spread

MICROSECONDS_OF_DAY = 24 * 3600 * 1_000_000

NO_DAY, LETTERS, REPLAYED = -(2**31), -(2**31) + 1, -(2**31) + 2
"""In place of a day: events without a time, dead letters, dead letters that were replayed."""

_SAMPLE = 256
"""One in so many records gives its time."""

_MOST_DAYS_HELD = 500_000


class Sizes(Struct, array_like=True):
    """The bytes of records by day, and a sample of their times. Arrays of 64 bits, as bytes.

    Attributes:
        days: Days since 1970, ascending, or one of the names above.
        totals: The bytes of each day.
        times: Microseconds since 1970 of the sample, ascending.
        weights: The bytes that each time of the sample stands for.
    """

    days: bytes
    totals: bytes
    times: bytes
    weights: bytes


def days_of(file: SourceFile, times: Longs, valid: Flags) -> Longs:
    """Returns the day of each record, or what stands in its place."""
    if file.record == "dead_letter":
        return np.full(len(times), REPLAYED if file.replayed else LETTERS, np.int64)
    return np.where(valid, times // MICROSECONDS_OF_DAY, NO_DAY)


def times_of(file: SourceFile, records: Records) -> tuple[Longs, Flags]:
    """Returns the event time of each record, and which are valid. Dead letters have none."""
    if file.record == "dead_letter":
        return np.zeros(len(records), np.int64), np.zeros(len(records), np.bool_)
    return records.numbers("event_time")


class SizeTally:
    """Tallies the sizes of the records in some files; `seed` decides which are the sample."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days: list[tuple[Longs, Longs]] = []
        self._days_held = 0
        self._sample: list[tuple[Longs, Longs]] = []

    def add(self, file: SourceFile, records: Records, first_words: Words) -> None:
        """Adds records of a file. `first_words` are the first words of their identities."""
        times, valid = times_of(file, records)
        lengths = records.lengths
        self._days.append(_summed(days_of(file, times, valid), lengths))
        self._days_held += len(self._days[-1][0])
        if self._days_held > _MOST_DAYS_HELD:
            self._days = [_joined(self._days)]
            self._days_held = 0
        chosen = valid & (spread(first_words, self._seed) % np.uint64(_SAMPLE) == 0)
        self._sample.append((times[chosen], lengths[chosen] * _SAMPLE))

    def to_bytes(self) -> bytes:
        """Encodes the tally as a small record."""
        return _encoded(self._days, self._sample)


def merged_sizes(records: Iterable[bytes]) -> Sizes:
    """Merges the records of tallies."""
    found = [msgpack.decode(each, type=Sizes) for each in records]
    days = [(longs(each.days), longs(each.totals)) for each in found]
    sample = [(longs(each.times), longs(each.weights)) for each in found]
    return msgpack.decode(_encoded(days, sample), type=Sizes)


def longs(data: bytes) -> Longs:
    """Decodes an array."""
    return np.frombuffer(data, np.int64)


def _encoded(days: list[tuple[Longs, Longs]], sample: list[tuple[Longs, Longs]]) -> bytes:
    none: npt.NDArray[np.int64] = np.array([], np.int64)
    names, sizes = _joined(days) if days else (none, none)
    times, weights = (
        (np.concatenate(each) for each in zip(*sample, strict=True)) if sample else (none, none)
    )
    order = np.argsort(times, kind="stable")
    arrays = (names, sizes, times[order], weights[order])
    return msgpack.encode(Sizes(*(each.astype(np.int64).tobytes() for each in arrays)))


def _joined(tables: list[tuple[Longs, Longs]]) -> tuple[Longs, Longs]:
    days, sizes = (np.concatenate(each) for each in zip(*tables, strict=True))
    return _summed(days, sizes)


def _summed(days: Longs, sizes: Longs) -> tuple[Longs, Longs]:
    distinct, index = np.unique(days, return_inverse=True)
    totals = np.bincount(index, sizes, len(distinct)).astype(np.int64)
    return distinct, totals
