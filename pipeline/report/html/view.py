"""Prepares the rows and the lengths of the bars on the report page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.report import shortened
from schemas.counts import MAX_ACCOUNTS, MAX_PROVIDERS, NO_NAME, OTHER, Counts

_STATUSES: Final = (
    *("open", "published", "internal", "pending", "draft", "on_hold", "closed", "archived"),
    *("deleted", "unmapped_value"),
)
_VALUE_STYLES: Final = {name: name for name in _STATUSES} | {NO_NAME: "none"}
"""In the order of a job's life; the style sheet has a colour for each name."""

_UNMAPPED: Final = "unmapped_value"
_LONGEST_NAME: Final = 80

_SPIKE: Final = 5
"""A column is cut if it is this many times as high as the usual ones."""

_FEWEST_COLUMNS: Final = 4
"""With fewer columns, none of them is unusual."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar; `style` is the class of its colour."""

    name: str
    count: int
    style: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, with the parts of its bar."""

    name: str
    parts: Sequence[Part]

    @property
    def count(self) -> int:
        """The sum of the parts."""
        return sum(part.count for part in self.parts)


def count_rows(counts: Counts, style: str, styles: Mapping[str, str] | None = None) -> list[Row]:
    """Returns a row for each name. `styles` has the names whose style is another one."""
    return [
        Row(shortened(name, _LONGEST_NAME), [Part(name, count, (styles or {}).get(name, style))])
        for name, count in counts.items()
    ]


def account_rows(counts: Counts) -> list[Row]:
    """Returns a row for each account."""
    names = {NO_NAME: "no account"}
    # Up to the limit, `other` is the name of an account.
    if len(counts) > MAX_ACCOUNTS:
        names[OTHER] = "all others"
    return count_rows({names.get(name, name): n for name, n in counts.items()}, "accent")


def value_rows(counts: Counts) -> list[Row]:
    """Returns a row for each value, the most frequent first."""
    rows = [Row(part.name, [part]) for part in value_parts(counts)]
    return sorted(rows, key=lambda row: -row.count)


def provider_rows(by_provider: dict[str, Counts]) -> list[Row]:
    """Returns a row for each provider, with a part for each value."""
    names = {NO_NAME: "no provider"}
    # Up to the limit, `other` is the name of a provider.
    if len(by_provider) > MAX_PROVIDERS:
        names[OTHER] = "all others"
    return [
        Row(names.get(name) or shortened(name, _LONGEST_NAME), value_parts(counts))
        for name, counts in by_provider.items()
    ]


@dataclass(frozen=True, slots=True)
class UnmappedRow:
    """A provider with the events whose value is unmapped_value."""

    name: str
    unmapped: int
    count: int


def unmapped_rows(by_provider: dict[str, Counts]) -> list[UnmappedRow]:
    """Returns a row for each provider with unmapped events, the most unmapped first."""
    rows = [
        UnmappedRow(row.name, sum(p.count for p in row.parts if p.name == _UNMAPPED), row.count)
        for row in provider_rows(by_provider)
    ]
    return sorted((row for row in rows if row.unmapped), key=lambda row: -row.unmapped)


def by_share(rows: Sequence[UnmappedRow]) -> list[UnmappedRow]:
    """Returns the rows with the largest share first."""
    return sorted(rows, key=lambda row: -row.unmapped / row.count)


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """A row of the table of unreadable timestamps."""

    field: str
    shape: str
    count: int


def shape_rows(unreadable_by_field: dict[str, Counts]) -> list[ShapeRow]:
    """Returns a row for each field and shape, the most frequent first."""
    rows = [
        ShapeRow(name, "all others" if shape == OTHER else shape, count)
        for name, counts in unreadable_by_field.items()
        for shape, count in counts.items()
    ]
    return sorted(rows, key=lambda row: -row.count)


def value_parts(counts: Counts) -> list[Part]:
    """Returns a part for each value, in the order of a job's life."""
    known = [name for name in _VALUE_STYLES if name in counts]
    others = [name for name in counts if name not in _VALUE_STYLES]
    return [
        Part("no value" if name == NO_NAME else name, counts[name], _VALUE_STYLES.get(name, "more"))
        for name in known + others
    ]


def percent(count: int, whole: int) -> str:
    """Returns a length in CSS."""
    return f"{100 * count / whole:.3f}%" if whole else "0%"


def share(count: int, total: int) -> str:
    """Returns a percentage for people. Only zero is shown as 0 %, only the total as 100 %."""
    if not total or not count:
        return "–" if not total else "0 %"
    percentage = 100 * count / total
    if percentage < 0.1:
        return "< 0.1 %"
    if count < total and percentage > 99.9:
        return "> 99.9 %"
    return f"{percentage:.1f} %" if count < total else "100 %"


def scale_top(count: int) -> int:
    """Returns the upper end of a scale for counts: the next of 1, 2, 4, 6, 8, 10, 20, 40, …"""
    size = 10 ** (len(str(count)) - 1)
    return max(next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= count), 1)


def time_top(events: Sequence[int]) -> int:
    """Returns the upper end of the scale of a time chart; higher columns are cut.

    At most an eighth of the columns are cut, or one. They would flatten all others.
    """
    highest = max(events)
    columns = sorted(filter(None, events), reverse=True)
    if len(columns) >= _FEWEST_COLUMNS:
        usual = columns[max(1, len(columns) // 8)]
        if highest >= _SPIKE * usual:
            return scale_top(usual)
    return scale_top(highest)


def anchor(title: str) -> str:
    """Returns the id of the section with a title."""
    return title.lower().replace(" ", "-")
