"""RFC 3339 timestamps are read as the standard library reads them, and others are unreadable."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.transforms.kernel.rows import finished
from transforms.kernel.rows import (
    CREATED_AT,
    EVENT_DATE,
    EVENT_TIME,
    JOB_CREATED_AT,
    JOB_UPDATED_AT,
    UNREADABLE,
    UPDATED_AT,
)

_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH.replace(tzinfo=timezone.utc)) // timedelta(microseconds=1)


def _read(*texts: str) -> list[int | None]:
    times = finished([{CREATED_AT: text} for text in texts]).times[:, JOB_CREATED_AT]
    return [None if each == UNREADABLE else each for each in times.tolist()]


_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_SECOND = timedelta(seconds=1)
_DAY = 24 * 3600
# The calendar repeats after 400 years.
_YEARS_OF_CYCLE = 400
_DAYS_OF_CYCLE = 146_097


def expected_time(text: str, assumed_zone: tzinfo | None = None) -> int | None:
    """Reads a timestamp with the standard library, which has no year 0 and no leap seconds."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 5, 6))
    fraction, is_utc, sign, offset_hours, offset_minutes = found.group(7, 8, 9, 10, 11)
    try:
        # RFC 3339 allows the year 0, and an offset may move it into the year 1.
        moment = datetime(year or _YEARS_OF_CYCLE, month, day, hour, minute)
    except ValueError:
        return None
    # Seconds since 1970, UTC, at the start of the minute.
    start = (moment - _EPOCH) // _SECOND - (0 if year else _DAYS_OF_CYCLE * _DAY)
    if sign is not None:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            return None
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        start += offset if sign == "-" else -offset
    elif not is_utc:
        offset_of_zone = None if assumed_zone is None else assumed_zone.utcoffset(moment)
        if offset_of_zone is None:
            return None
        start -= offset_of_zone // _SECOND
    if second > 60 or (second == 60 and not _ends_month(start)):
        return None
    micros = (start + second) * 1_000_000 + int((fraction or "")[:6].ljust(6, "0"))
    return micros if _FIRST <= micros <= _LAST else None


def _ends_month(start: int) -> bool:
    days, second_of_day = divmod(start + 60, _DAY)
    return second_of_day == 0 and (_EPOCH + timedelta(days % _DAYS_OF_CYCLE)).day == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-05-01T10:00:00Z", datetime(2025, 5, 1, 10)),
        ("2025-05-01t10:00:00z", datetime(2025, 5, 1, 10)),
        ("2025-05-01 10:00:00Z", datetime(2025, 5, 1, 10)),
        ("2025-05-01T10:00:00.5Z", datetime(2025, 5, 1, 10, 0, 0, 500_000)),
        ("2025-05-01T10:00:00.123456789Z", datetime(2025, 5, 1, 10, 0, 0, 123_456)),
        ("2025-05-01T10:00:00.9999999999999Z", datetime(2025, 5, 1, 10, 0, 0, 999_999)),
        ("1969-12-31T23:59:59.9999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999)),
        ("2025-05-01T10:00:00+01:30", datetime(2025, 5, 1, 8, 30)),
        ("2025-05-01T10:00:00-23:59", datetime(2025, 5, 2, 9, 59)),
        ("2025-05-01T10:00:00+0000", datetime(2025, 5, 1, 10)),
        ("2025-05-01T10:00:00.25-0530", datetime(2025, 5, 1, 15, 30, 0, 250_000)),
        ("2025-05-01T10:00:00-00:00", datetime(2025, 5, 1, 10)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
        ("0000-12-31T23:59:59-00:01", datetime(1, 1, 1, 0, 0, 59)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
        ("1990-12-31T23:59:60Z", datetime(1991, 1, 1)),
        ("1990-12-31T15:59:60.5-08:00", datetime(1991, 1, 1, 0, 0, 0, 500_000)),
        ("1991-01-01T05:29:60+05:30", datetime(1991, 1, 1)),
    ],
)
def test_an_rfc_3339_timestamp_is_read(text: str, expected: datetime) -> None:
    assert _read(text) == [_micros(expected.replace(tzinfo=timezone.utc))]
    assert expected_time(text) == _read(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        *("", "Z", "soon", "1746093600", "2025-05-01", "2025-05-01T10:00:00", "2025-05-01T10:00Z"),
        *("2025-05-01T10:00:00+010", "2025-05-01T10:00:00+01", "20250501T100000Z"),
        *("2025-02-29T10:00:00Z", "2025-13-01T10:00:00Z", "2025-05-01T24:00:00Z"),
        *("2025-05-01T10:60:00Z", "2025-05-01T10:00:61Z", "2025-05-01T10:00:00+24:00"),
        *("2025-05-01T10:00:00+0160", "2025-05-01T10:00:00+2400", "2025-05-01T10:00:00 +0000"),
        *("2025-05-01T10:00:00+01:60", "2025-05-01T10:00:00.Z", "2025-05-01T10:00:00,5Z"),
        *(" 2025-05-01T10:00:00Z", "2025-05-01T10:00:00Z ", "2025-05-01T10:00:00Z\n"),
        *("٢٠٢٥-05-01T10:00:00Z", "+2025-05-01T10:00:00Z", "-001-05-01T10:00:00Z"),
        *("2025-05-01T10:00:00 Z", "2025-05-01T10:00:00 +01:00", "2025-5-1T10:00:00.000Z"),
        # No leap second is possible there.
        *("2025-05-01T10:00:60Z", "2025-05-01T23:59:60Z", "2024-12-31T23:59:60+01:00"),
        # The result or the local time is outside the years 1 to 9999.
        *("0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"),
        *("9999-12-31T23:59:60Z", "0000-02-30T00:00:00Z", "10000-01-01T00:00:00Z"),
    ],
)
def test_any_other_text_is_unreadable(text: str) -> None:
    assert _read(text) == [None]
    assert expected_time(text) is None


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))))
)
def test_every_date_that_the_standard_library_writes_is_read(moment: datetime) -> None:
    micros = _micros(moment)
    assert _read(moment.isoformat()) == [micros if _FIRST <= micros <= _LAST else None]


@st.composite
def nearly_valid(draw: st.DrawFn) -> str:
    def pick(*texts: str) -> str:
        return draw(st.sampled_from(texts))

    year = pick("2025", "2024", "1970", "0000", "0001", "9999", "1900", "+2025", "10000", "202")
    day = pick("05-01", "12-31", "01-01", "02-29", "06-30", "13-01", "02-30", "00-00", "5-1")
    time = pick("10:00:00", "23:59:59", "00:00:00", "23:59:60", "24:00:00", "10:00", "10", "100000")
    fraction = (
        pick("", "", ".", ",5")
        if draw(st.booleans())
        else "." + "123456789"[: draw(st.integers(1, 9))]
    )
    zone = pick(
        "Z",
        "Z",
        "z",
        "+00:00",
        "-00:01",
        "+05:30",
        "-23:59",
        "+24:00",
        "+0100",
        "-2359",
        "+2400",
        "+01",
        "",
    )
    text = f"{year}-{day}{pick('T', 'T', 't', ' ', '')}{time}{fraction}{zone}"
    if draw(st.integers(0, 5)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + pick(" ", "0", "-", ":", "é", "\0") + text[place + 1 :]
    return text


@given(st.lists(nearly_valid() | st.text(st.characters(exclude_categories=["Cs"]), max_size=33)))
@example(["0000-12-31T23:59:59-01:00", "9999-12-31T23:30:00-01:00"])
def test_any_text_is_read_as_by_the_standard_library(texts: list[str]) -> None:
    assert _read(*texts) == [expected_time(text) for text in texts]


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_every_last_minute_of_a_month_may_have_a_leap_second(moment: datetime) -> None:
    texts = [f"{each:%H}:{each:%M}:60" for each in (moment, datetime(1, 1, 1, 23, 59))]
    day = moment.date().isoformat()
    assert _read(*(f"{day}T{text}Z" for text in texts)) == [
        expected_time(f"{day}T{text}Z") for text in texts
    ]


@pytest.mark.parametrize(
    ("date", "created", "updated", "event_time", "unreadable"),
    [
        ("2025-05-01T01:00:00Z", "2025-05-01T02:00:00Z", "2025-05-01T03:00:00Z", 1, 0b000),
        (None, "2025-05-01T02:00:00Z", "2025-05-01T03:00:00Z", 3, 0b000),
        ("soon", "2025-05-01T02:00:00Z", None, 2, 0b001),
        ("soon", "", "", None, 0b111),
        (None, None, None, None, 0b000),
    ],
)
def test_the_time_of_an_event_is_the_first_that_can_be_read(
    date: str | None,
    created: str | None,
    updated: str | None,
    event_time: int | None,
    unreadable: int,
) -> None:
    events = finished([{EVENT_DATE: date, CREATED_AT: created, UPDATED_AT: updated}])
    midnight = _micros(datetime(2025, 5, 1, tzinfo=timezone.utc))
    expected = UNREADABLE if event_time is None else midnight + event_time * 3600 * 1_000_000
    assert events.times[0, EVENT_TIME] == expected
    assert (events.notes & 7).tolist() == [unreadable]
    assert (events.times[0, JOB_UPDATED_AT] == UNREADABLE) == (updated in (None, ""))
