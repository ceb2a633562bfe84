"""Days are grouped into at most 60 steps of one length, and no event is lost."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.html.day_bins import MAX_BINS, day_bins

_days = st.dates() | st.dates(date(2025, 1, 1), date(2025, 3, 1))
_tallies = st.dictionaries(_days.map(date.isoformat), st.integers(1, 10**9), max_size=30)


@given(_tallies)
def test_every_event_is_in_a_bin_or_counted_outside_the_range(by_day: dict[str, int]) -> None:
    found = day_bins(by_day)
    if found is None:
        assert not by_day
        return
    drawn = sum(each.events for each in found.bins)
    assert drawn + found.before + found.after == sum(by_day.values())
    assert found.before + found.after <= 0.01 * sum(by_day.values())
    assert 1 <= len(found.bins) <= MAX_BINS


@given(_tallies)
def test_bins_are_in_order_and_unique(by_day: dict[str, int]) -> None:
    found = day_bins(by_day)
    labels = [each.label for each in found.bins] if found else []
    assert labels == sorted(set(labels))


def _range(first: date, days: int) -> dict[str, int]:
    return {(first + timedelta(number)).isoformat(): 10 for number in range(days)}


@pytest.mark.parametrize(
    ("days", "step", "first", "last"),
    [
        (1, "a day", "2025-01-06", "2025-01-06"),
        (60, "a day", "2025-01-06", "2025-03-06"),
        (61, "a week", "2025-01-06", "2025-03-03"),
        (365, "a week", "2025-01-06", "2026-01-05"),
        (700, "a month", "2025-01", "2026-12"),
        (4_000, "a year", "2025", "2035"),
        (90_000, "5 years", "2025", "2270"),
    ],
)
def test_the_shortest_step_that_needs_at_most_60_bins_is_used(
    days: int, step: str, first: str, last: str
) -> None:
    found = day_bins(_range(date(2025, 1, 6), days))
    assert found is not None
    assert (found.step, found.bins[0].label, found.bins[-1].label) == (step, first, last)


def test_days_without_an_event_are_bins() -> None:
    found = day_bins({"2025-01-01": 3, "2025-01-04": 1})
    assert found is not None
    assert [each.events for each in found.bins] == [3, 0, 0, 1]


def test_a_few_wrong_years_do_not_hide_the_others() -> None:
    found = day_bins({"0001-01-01": 1, **_range(date(2025, 1, 6), 50), "9999-12-31": 2})
    assert found is not None
    assert (found.step, len(found.bins), found.before, found.after) == ("a day", 50, 1, 2)


def test_many_days_of_a_few_events_do_not_hide_the_others() -> None:
    hostile = {f"{year:04d}-06-01": 1 for year in range(1, 1_000)}
    found = day_bins({**hostile, "2025-01-06": 200_000, "2025-01-08": 200_000})
    assert found is not None
    assert [each.events for each in found.bins] == [200_000, 0, 200_000]
    assert (found.before, found.after) == (999, 0)


def test_few_events_near_the_others_are_drawn_with_them() -> None:
    found = day_bins({"0001-01-01": 1, "2025-01-05": 1, **_range(date(2025, 1, 6), 50)})
    assert found is not None
    assert found.bins[0].label == "2025-01-05"


def test_names_that_are_not_days_are_ignored() -> None:
    assert day_bins({"null": 5, "other": 6}) is None
