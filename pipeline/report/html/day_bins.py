"""Counts by day → a few dozen even steps of time, whatever range the days span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

MOST_BINS = 60

_FAR = 0.005
"""Share of events at either end that may be left out, where they alone make the range long."""

_BESIDE = 0.1
"""Share of the range of all others that these events have to be away from it; or 7 days."""

_SHORTER = 0.5
"""How much shorter the range has to become for that."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A step of time: how it is called, and how many events lie in it."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class DayBins:
    """Events over time.

    Attributes:
        unit: What a step is, for people.
        bins: All steps of the range, empty ones included.
        before: Events before the range.
        after: Events after it.
    """

    unit: str
    bins: list[Bin]
    before: int = 0
    after: int = 0

    @property
    def step(self) -> str:
        """How long a step is, for people."""
        return self.unit if self.unit[0].isdigit() else f"a {self.unit}"


@dataclass(frozen=True, slots=True)
class _Unit:
    name: str
    index: Callable[[date], int]
    label: Callable[[int], str]


def _years(length: int) -> _Unit:
    return _Unit(
        "year" if length == 1 else f"{length:,} years",
        lambda day: day.year // length,
        lambda index: f"{max(index * length, 1):04d}",
    )


_UNITS = (
    _Unit("day", date.toordinal, lambda index: date.fromordinal(index).isoformat()),
    # The first day there is, is a Monday.
    _Unit(
        "week",
        lambda day: (day.toordinal() - 1) // 7,
        lambda index: date.fromordinal(index * 7 + 1).isoformat(),
    ),
    _Unit(
        "month",
        lambda day: day.year * 12 + day.month - 1,
        lambda index: f"{index // 12:04d}-{index % 12 + 1:02d}",
    ),
    *map(_years, (1, 5, 25, 100, 500)),
)


def day_bins(by_day: dict[str, int]) -> DayBins | None:
    """Puts days into steps of one length, as short as it can be with at most 60 of them.

    Args:
        by_day: Counts by day, as YYYY-MM-DD; names of another form are left alone.

    Returns:
        The steps, or None where there is no day.
    """
    days = sorted((day, count) for name, count in by_day.items() if (day := _day(name)))
    if not days:
        return None
    near = _near(days)
    unit = next(unit for unit in _UNITS if _steps(unit, near) <= MOST_BINS)
    counts = dict.fromkeys(range(unit.index(near[0][0]), unit.index(near[-1][0]) + 1), 0)
    before = after = 0
    for day, count in days:
        if unit.index(day) in counts:
            counts[unit.index(day)] += count
        elif day < near[0][0]:
            before += count
        else:
            after += count
    bins = [Bin(unit.label(index), count) for index, count in counts.items()]
    return DayBins(unit.name, bins, before, after)


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _steps(unit: _Unit, days: list[tuple[date, int]]) -> int:
    return unit.index(days[-1][0]) - unit.index(days[0][0]) + 1


def _near(days: list[tuple[date, int]]) -> list[tuple[date, int]]:
    """The days without the few far off: a single wrong year would hide all the others."""
    spare = _FAR * sum(count for _, count in days)
    first = days[_dropped(days, spare)][0].toordinal()
    last = days[-1 - _dropped(days[::-1], spare)][0].toordinal()
    beside = max(_BESIDE * (last - first), 7)
    near = [each for each in days if first - beside <= each[0].toordinal() <= last + beside]
    return near if _length(near) <= _length(days) * _SHORTER else days


def _length(days: list[tuple[date, int]]) -> int:
    return (days[-1][0] - days[0][0]).days


def _dropped(days: list[tuple[date, int]], spare: float) -> int:
    """How many of the first days hold no more events than there are to spare."""
    passed = 0
    for number, (_, count) in enumerate(days):
        passed += count
        if passed > spare:
            return number
    return 0
