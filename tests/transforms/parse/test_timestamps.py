"""Timestamps without an offset are read in an assumed time zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.transforms.kernel.rows import finished
from tests.transforms.kernel.test_timestamps import expected_time, nearly_valid
from transforms.kernel.rows import (
    CREATED_AT,
    EVENT_DATE,
    EVENT_TIME,
    JOB_CREATED_AT,
    UNREADABLE,
    UPDATED_AT,
)
from transforms.parse.timestamps import assume_zone, read_in_zone, zone_of


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


NEW_YORK = zone_of("America/New_York")


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("America/New_York", "2025-01-01T10:00:00", datetime(2025, 1, 1, 15)),
        ("America/New_York", "2025-07-01 10:00:00.5", datetime(2025, 7, 1, 14, 0, 0, 500_000)),
        ("America/New_York", "2016-12-31T18:59:60", datetime(2017, 1, 1)),
        ("+02:00", "2025-05-01T10:00:00", datetime(2025, 5, 1, 8)),
        ("-05:30", "2025-05-01T10:00:00", datetime(2025, 5, 1, 15, 30)),
        ("UTC", "2025-05-01T10:00:00", datetime(2025, 5, 1, 10)),
        # The clock showed this time twice; the first one was summer time.
        ("Europe/Paris", "2025-10-26T02:30:00", datetime(2025, 10, 26, 0, 30)),
        # The clock skipped this time.
        ("Europe/Paris", "2025-03-30T02:30:00", datetime(2025, 3, 30, 1, 30)),
    ],
)
def test_an_assumed_time_zone_gives_a_missing_offset(
    zone: str, text: str, expected: datetime
) -> None:
    micros = _micros(expected.replace(tzinfo=timezone.utc))
    assert read_in_zone(text.encode(), zone_of(zone)) == micros


@given(nearly_valid() | st.text(st.characters(exclude_categories=["Cs"]), max_size=33))
@example("9999-12-31T23:59:59")
@example("0000-12-31T23:59:59")
@example("0001-01-01T00:00:00")
@example("0000-02-29T23:59:60")
def test_any_text_is_read_as_by_the_standard_library(text: str) -> None:
    micros = read_in_zone(text.encode(), NEW_YORK)
    assert (None if micros == UNREADABLE else micros) == expected_time(text, NEW_YORK)


def test_only_timestamps_without_an_offset_are_assumed() -> None:
    events = finished(
        [
            {CREATED_AT: "2025-05-01T10:00:00", UPDATED_AT: "2025-05-01T10:00:00Z"},
            {EVENT_DATE: "2025-05-01T10:00:00", UPDATED_AT: "soon"},
        ]
    )
    assert assume_zone(events, zone_of("+01:00")) == 2
    hours = (events.times - _micros(datetime(2025, 5, 1, tzinfo=timezone.utc))) / 3_600_000_000
    assert [hours[0, EVENT_TIME], hours[0, JOB_CREATED_AT], hours[1, EVENT_TIME]] == [10, 9, 9]
    assert (events.notes & 7).tolist() == [0, 4]


@pytest.mark.parametrize(
    "name", ["", "Mars", "+0200", "+24:00", "02:00", "../UTC", "Europe/../UTC"]
)
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        zone_of(name)
