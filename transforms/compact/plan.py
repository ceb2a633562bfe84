"""Plans the files of a compaction: which records are sorted together, and where they go.

A lane is an independent sequence of parts, in the order of time. A part is small enough to be
sorted in memory. A group is a sequence of parts that one worker writes one after another, into the
same files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transforms.compact.avro_fields import Longs
from transforms.compact.identity import Words, spread
from transforms.compact.sizes import (
    LETTERS,
    MICROSECONDS_OF_DAY,
    NO_DAY,
    REPLAYED,
    Sizes,
    longs,
)

MOST_FOLDERS = 4_000
"""Days with a folder of their own. Data can name every day of 9,999 years."""

PART_BYTES = 64 << 20

DAY_FOLDER = "event_day="
NO_DAY_FOLDER = DAY_FOLDER + "__HIVE_DEFAULT_PARTITION__"
"""The folder of all other events; Hive's readers show its day as null."""

REPLAYED_FOLDER = "replayed"

_BY_DAY, _OTHER_DAYS, _NO_TIME, _LETTERS, _REPLAYED = range(5)
_ANY_TIME = -(2**63)

Lane = Longs
"""The number of a lane for each record."""


class _Part(NamedTuple):
    """Records from a time on; `share_count` parts share them if their times cannot divide them."""

    start: int
    share_count: int
    bytes: int
    begins_group: bool


@dataclass(frozen=True)
class _Lane:
    starts: Longs
    first_parts: Longs
    counts: Longs


@dataclass(frozen=True)
class Plan:
    """The plan of a compaction.

    Attributes:
        own_days: The days with a folder of their own, ascending; None without partitions.
        lanes: The parts of each lane.
        groups: The group of each part.
        seed: Divides the records of a part that their time cannot divide.
    """

    own_days: Longs | None
    lanes: list[_Lane]
    groups: Longs
    seed: int

    def parts_of(self, days: Longs, times: Longs, first_words: Words) -> Longs:
        """Returns the part of each record."""
        parts = np.empty(len(days), np.int64)
        lanes = self._lanes_of(days)
        for number, lane in enumerate(self.lanes):
            rows = np.flatnonzero(lanes == number)
            if not len(rows):
                continue
            index = np.searchsorted(lane.starts, times[rows], "right") - 1
            counts = lane.counts[index]
            share = spread(first_words[rows], self.seed).astype(np.int64) % counts
            parts[rows] = lane.first_parts[index] + share
        return parts

    def folder_of(self, part: int, day: int) -> str:
        """Returns the folder of records of a part and a day."""
        lane = next(n for n in range(4, -1, -1) if self._begins_by(n, part))
        if lane == _REPLAYED:
            return REPLAYED_FOLDER
        if lane == _LETTERS or self.own_days is None:
            return ""
        return f"{DAY_FOLDER}{np.datetime64(day, 'D')}" if lane == _BY_DAY else NO_DAY_FOLDER

    def is_dead_letters(self, part: int) -> bool:
        """Returns whether a part holds dead letters."""
        return self._begins_by(_LETTERS, part)

    def _begins_by(self, lane: int, part: int) -> bool:
        later = [each.first_parts[0] for each in self.lanes[lane:] if len(each.first_parts)]
        return bool(later) and part >= later[0]

    def _lanes_of(self, days: Longs) -> Lane:
        lanes = np.full(len(days), _BY_DAY)
        if self.own_days is not None:
            lanes[~np.isin(days, self.own_days)] = _OTHER_DAYS
        for day, lane in ((NO_DAY, _NO_TIME), (LETTERS, _LETTERS), (REPLAYED, _REPLAYED)):
            lanes[days == day] = lane
        return lanes


def make_plan(
    sizes: Sizes, *, by_day: bool, group_bytes: int, seed: int, part_bytes: int = PART_BYTES
) -> Plan:
    """Plans the files for records of these sizes.

    Args:
        sizes: The sizes of all records, duplicates included.
        by_day: Whether days have folders of their own, MOST_FOLDERS at most: the largest.
        group_bytes: The bytes of records that become one file.
        seed: A secret number.
        part_bytes: The most bytes of records that are sorted together.
    """
    days, day_bytes = longs(sizes.days), longs(sizes.totals)
    is_day = ~np.isin(days, (NO_DAY, LETTERS, REPLAYED))
    own = is_day.copy()
    if by_day and is_day.sum() > MOST_FOLDERS:
        largest = np.argsort(np.where(is_day, -day_bytes, 1), kind="stable")[:MOST_FOLDERS]
        own[:] = False
        own[largest] = True
    sample = longs(sizes.times), longs(sizes.weights)
    lanes: list[_Lane] = []
    groups: list[int] = []
    for rows, joins_days in ((own, not by_day), (is_day & ~own, True)):
        table = zip(days[rows].tolist(), day_bytes[rows].tolist(), strict=True)
        parts = list(_parts_of_days(table, sample, part_bytes, joins_days))
        lanes.append(_lane(parts, groups, group_bytes))
    for day in (NO_DAY, LETTERS, REPLAYED):
        size = int(day_bytes[days == day].sum())
        parts = [_Part(_ANY_TIME, -(-size // part_bytes), size, True)] if size else []
        lanes.append(_lane(parts, groups, group_bytes))
    return Plan(days[own] if by_day else None, lanes, np.array(groups, np.int64), seed)


def _lane(parts: list[_Part], groups: list[int], group_bytes: int) -> _Lane:
    """Returns a lane with these parts, and appends the group of each to `groups`."""
    starts, first_parts = [], []
    held = 0
    for part in parts:
        starts.append(part.start)
        first_parts.append(len(groups))
        for number in range(part.share_count):
            size = part.bytes // part.share_count
            is_new = held + size > group_bytes or (part.begins_group and number == 0)
            groups.append(groups[-1] + 1 if groups and is_new else groups[-1] if groups else 0)
            held = size if is_new else held + size
    counts = [part.share_count for part in parts]
    return _Lane(*(np.array(each, np.int64) for each in (starts, first_parts, counts)))


def _parts_of_days(
    days: Iterator[tuple[int, int]],
    sample: tuple[Longs, Longs],
    part_bytes: int,
    joins_days: bool,
) -> Iterator[_Part]:
    """Yields parts of days in their order: several small days, or a share of a large one.

    Each part of small days begins a group unless `joins_days`; so does each large day.
    """
    start, held = _ANY_TIME, 0
    is_first = True
    for day, size in days:
        if held and held + size > part_bytes:
            yield _Part(start, 1, held, is_first or not joins_days)
            start, held, is_first = day * MICROSECONDS_OF_DAY, 0, False
        if size <= part_bytes:
            held += size
            continue
        for number, (begin, count, share) in enumerate(_shares(day, size, sample, part_bytes)):
            begins_group = is_first if joins_days else number == 0
            yield _Part(start if number == 0 else begin, count, share, begins_group)
            is_first = False
        start, held = (day + 1) * MICROSECONDS_OF_DAY, 0
    if held:
        yield _Part(start, 1, held, is_first or not joins_days)


def _shares(
    day: int, size: int, sample: tuple[Longs, Longs], part_bytes: int
) -> list[tuple[int, int, int]]:
    """Divides a large day at the quantiles of its sample: start, number of parts, bytes."""
    begin, end = day * MICROSECONDS_OF_DAY, (day + 1) * MICROSECONDS_OF_DAY
    times, weights = sample
    first, last = np.searchsorted(times, (begin, end))
    sums = np.cumsum(weights[first:last])
    pieces = -(-size // part_bytes)
    counts: dict[int, int] = {begin: 1}
    if len(sums):
        quantiles = sums[-1] * np.arange(1, pieces) / pieces
        bounds = times[first:last][np.searchsorted(sums, quantiles)]
        for bound, count in zip(*np.unique(bounds, return_counts=True), strict=True):
            # A time that is several quantiles cannot be divided by time.
            counts[int(bound)] = max(int(count), 1)
            if count > 1:
                counts.setdefault(int(bound) + 1, 1)
    share = size // sum(counts.values())
    return [(each, count, share * count) for each, count in sorted(counts.items())]
