"""Groups counts by day into at most 60 steps of equal length, for any range of days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from itertools import accumulate
from typing import Final, NamedTuple

MAX_BINS: Final = 60

_MAX_FAR_SHARE: Final = 0.005
"""Share of the events that may be outside the range at either end."""

_MIN_MARGIN_DAYS: Final = 60


class Bin(NamedTuple):
    """A step of time: its label and its events."""

    label: str
    events: int


class DayBins(NamedTuple):
    """Events in each step of a range, empty ones included, and those before and after the range.

    `step` is the length of a step, such as `a day` or `5 years`.
    """

    step: str
    bins: list[Bin]
    before: int
    after: int


class _Unit(NamedTuple):
    step: str
    number_of: Callable[[date], int]
    label_of: Callable[[int], str]


def _years(length: int) -> _Unit:
    return _Unit(
        "a year" if length == 1 else f"{length:,} years",
        lambda day: day.year // length,
        lambda number: f"{max(number * length, 1):04d}",
    )


_UNITS: Final = (
    _Unit("a day", date.toordinal, lambda number: date.fromordinal(number).isoformat()),
    _Unit(
        "a week",
        # Day 1 of the calendar is a Monday.
        lambda day: (day.toordinal() - 1) // 7,
        lambda number: date.fromordinal(number * 7 + 1).isoformat(),
    ),
    _Unit(
        "a month",
        lambda day: day.year * 12 + day.month - 1,
        lambda number: f"{number // 12:04d}-{number % 12 + 1:02d}",
    ),
    *map(_years, (1, 5, 25, 100, 500)),
)


def day_bins(by_day: dict[str, int]) -> DayBins | None:
    """Groups counts by day (YYYY-MM-DD) into the shortest steps that need at most 60 bins.

    A few events far from all others, such as those with a wrong year, are counted outside the
    range. Otherwise all others would be in one bin. Returns None if no name is a day.
    """
    days = sorted((day, count) for name, count in by_day.items() if (day := _day(name)))
    if not days:
        return None
    earliest, latest = _near_range(days)
    near = [day for day, _ in days if earliest <= day.toordinal() <= latest]
    step, number_of, label_of = next(
        unit for unit in _UNITS if unit.number_of(near[-1]) - unit.number_of(near[0]) < MAX_BINS
    )
    first, last = number_of(near[0]), number_of(near[-1])
    counts: Counter[int] = Counter()
    for day, count in days:
        counts[number_of(day)] += count
    bins = [Bin(label_of(number), counts[number]) for number in range(first, last + 1)]
    before = sum(count for number, count in counts.items() if number < first)
    after = sum(count for number, count in counts.items() if number > last)
    return DayBins(step, bins, before, after)


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _near_range(days: Sequence[tuple[date, int]]) -> tuple[int, int]:
    """Returns the first and the last ordinal of the days to draw.

    They are the days of nearly all events, and margins of the same length, at least 60 days.
    """
    far_events = _MAX_FAR_SHARE * sum(count for _, count in days)
    first = _first_day_beyond(days, far_events)
    last = _first_day_beyond(days[::-1], far_events)
    margin = max(last - first, _MIN_MARGIN_DAYS)
    return first - margin, last + margin


def _first_day_beyond(days: Sequence[tuple[date, int]], events: float) -> int:
    sums = accumulate(count for _, count in days)
    days_beyond = (day for (day, _), passed in zip(days, sums, strict=True) if passed > events)
    return next(days_beyond, days[0][0]).toordinal()
