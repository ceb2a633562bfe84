"""Counts by names that the data gives, in a memory that hostile data cannot grow."""

from __future__ import annotations

from typing import Final, Protocol

Counts = dict[str, int]

OTHER: Final = "other"
"""What has no room of its own is counted together, under this name."""

MAX_IGNORED_TYPES: Final = 100
"""Distinct types of ignored events that are counted one by one."""

MAX_PROVIDERS: Final = 100
"""Distinct providers that are counted one by one."""

MAX_DAYS: Final = 4_000
"""Distinct days that are counted one by one: eleven years."""


def add_counts(mine: Counts, theirs: Counts, most: int | None = None) -> None:
    """Adds counts to others.

    Args:
        mine: Takes them.
        theirs: What to add.
        most: Distinct names that `mine` has room for; what comes after them is counted together.
    """
    for name, count in theirs.items():
        if most is not None and not _has_room(mine, name, most):
            name = OTHER
        mine[name] = mine.get(name, 0) + count


def add_tables(mine: dict[str, Counts], theirs: dict[str, Counts], most: int) -> None:
    """Adds counts within names to others; `most` is of the outer names, as in `add_counts`."""
    for name, counts in theirs.items():
        if not _has_room(mine, name, most):
            name = OTHER
        add_counts(mine.setdefault(name, {}), counts)


class Tallied(Protocol):
    """What is counted of events, in books and in manifests."""

    read: int
    written: int
    dead_lettered: int
    unreadable_timestamps: int
    by_value: Counts
    by_source_value_type: Counts
    by_derivation: Counts
    by_error_code: Counts
    by_provider: dict[str, Counts]
    by_day: Counts
    ignored_by_type: Counts


def add_tallies(mine: Tallied, theirs: Tallied) -> None:
    """Adds all that is counted of events to what was counted before."""
    mine.read += theirs.read
    mine.written += theirs.written
    mine.dead_lettered += theirs.dead_lettered
    mine.unreadable_timestamps += theirs.unreadable_timestamps
    add_counts(mine.by_value, theirs.by_value)
    add_counts(mine.by_source_value_type, theirs.by_source_value_type)
    add_counts(mine.by_derivation, theirs.by_derivation)
    add_counts(mine.by_error_code, theirs.by_error_code)
    add_tables(mine.by_provider, theirs.by_provider, MAX_PROVIDERS)
    add_counts(mine.by_day, theirs.by_day, MAX_DAYS)
    add_counts(mine.ignored_by_type, theirs.ignored_by_type, MAX_IGNORED_TYPES)


def total(table: dict[str, Counts]) -> int:
    """How many were counted in all."""
    return sum(sum(counts.values()) for counts in table.values())


def _has_room(mine: dict[str, int] | dict[str, Counts], name: str, most: int) -> bool:
    return name in mine or len(mine) - (OTHER in mine) < most
