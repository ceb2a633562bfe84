"""Days become a few dozen steps of one length, and no event is lost on the way."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.html.day_bins import MOST_BINS, day_bins

_days = st.dates() | st.dates(date(2025, 1, 1), date(2025, 3, 1))
_tallies = st.dictionaries(_days.map(date.isoformat), st.integers(1, 10**9), max_size=30)


@given(_tallies)
def test_every_day_is_in_a_step_or_told_to_be_outside(by_day: dict[str, int]) -> None:
    found = day_bins(by_day)
    if found is None:
        assert not by_day
        return
    drawn = sum(each.count for each in found.bins)
    assert drawn + found.before + found.after == sum(by_day.values())
    assert found.before + found.after <= 0.01 * sum(by_day.values())
    assert 1 <= len(found.bins) <= MOST_BINS


@given(_tallies)
def test_steps_are_in_order_and_none_comes_twice(by_day: dict[str, int]) -> None:
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
def test_a_step_is_as_short_as_it_can_be(days: int, step: str, first: str, last: str) -> None:
    found = day_bins(_range(date(2025, 1, 6), days))
    assert found is not None
    assert (found.step, found.bins[0].label, found.bins[-1].label) == (step, first, last)


def test_days_without_an_event_are_steps_as_well() -> None:
    found = day_bins({"2025-01-01": 3, "2025-01-04": 1})
    assert found is not None
    assert [each.count for each in found.bins] == [3, 0, 0, 1]


def test_a_few_wrong_years_do_not_hide_the_others() -> None:
    found = day_bins({"0001-01-01": 1, **_range(date(2025, 1, 6), 50), "9999-12-31": 2})
    assert found is not None
    assert (found.unit, len(found.bins), found.before, found.after) == ("day", 50, 1, 2)


def test_few_events_beside_the_others_are_drawn_with_them() -> None:
    found = day_bins({"0001-01-01": 1, "2025-01-05": 1, **_range(date(2025, 1, 6), 50)})
    assert found is not None
    assert found.bins[0].label == "2025-01-05"


def test_names_that_are_no_days_are_left_alone() -> None:
    assert day_bins({"null": 5, "other": 6}) is None
