"""RFC 3339 timestamps are read, one by one or a column at a time, and others are null."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.blocks.columns import TIMESTAMP
from transforms.parse import timestamps
from transforms.parse.timestamps import parse_timestamp, parse_timestamps, zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _column(texts: list[str | None], zone: tzinfo | None = None) -> list[int | None]:
    column = parse_timestamps(pa.array(texts, pa.string()), zone).column
    return column.cast(pa.int64()).to_pylist()


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
    assert parse_timestamp(text) == _micros(expected.replace(tzinfo=timezone.utc))
    assert _column([text, None]) == [parse_timestamp(text), None]


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
def test_any_other_text_is_null(text: str) -> None:
    assert parse_timestamp(text) is None
    assert _column([text]) == [None]
    assert _column(["2025-05-01T10:00:00Z", text]) == [1_746_093_600_000_000, None]


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))))
)
def test_every_date_that_the_standard_library_writes_is_read(moment: datetime) -> None:
    micros = _micros(moment)
    expected = micros if _FIRST <= micros <= _LAST else None
    assert parse_timestamp(moment.isoformat()) == expected
    assert _column([moment.isoformat()]) == [expected]


@st.composite
def _nearly_valid(draw: st.DrawFn) -> str:
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


_TEXTS = st.none() | _nearly_valid() | st.text(max_size=33)


@given(st.lists(_TEXTS, max_size=4))
@example(["0000-12-31T23:59:59-01:00"])
@example(["9999-12-31T23:30:00-01:00"])
@example(["2025-05-01T10:00:00+01:00", "2025-05-01T10:00:00Z", None])
def test_a_column_gives_the_same_as_its_rows(texts: list[str | None]) -> None:
    expected = [None if text is None else parse_timestamp(text) for text in texts]
    assert _column(texts) == expected
    for text, micros in zip(texts, expected, strict=True):
        assert _column([text]) == [micros]


@given(st.lists(_TEXTS, min_size=2, max_size=6), st.integers(0, 3), st.integers(0, 3))
def test_a_slice_of_a_column_is_read_like_a_column(
    texts: list[str | None], start: int, length: int
) -> None:
    column = pa.array(texts, pa.string()).slice(start, length)
    expected = [None if text is None else parse_timestamp(text) for text in column.to_pylist()]
    assert parse_timestamps(column).column.cast(pa.int64()).to_pylist() == expected


def test_an_empty_column_is_null() -> None:
    assert parse_timestamps(pa.nulls(3, pa.string())).column == pa.nulls(3, TIMESTAMP)
    assert len(parse_timestamps(pa.array([], pa.string())).column) == 0


def test_the_usual_forms_are_read_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timestamps, "parse_timestamp", None)
    texts = ["2025-05-01T10:00:00Z", "2025-05-01T10:00:00.5+0000", "2025-05-01T10:00:00-05:00"]
    assert None not in _column([*texts])


# An assumed time zone

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
    assert parse_timestamp(text, zone_of(zone)) == micros
    assert _column([text], zone_of(zone)) == [micros]


@given(st.lists(_TEXTS, max_size=4))
@example(["2025-05-01T10:00:00", None, "soon", "2025-05-01T10:00:00+01:00"])
@example(["9999-12-31T23:59:59", "0000-12-31T23:59:59", "0001-01-01T00:00:00"])
def test_an_assumed_time_zone_changes_only_texts_without_an_offset(
    texts: list[str | None],
) -> None:
    without = [None if text is None else parse_timestamp(text) for text in texts]
    expected = [None if text is None else parse_timestamp(text, NEW_YORK) for text in texts]
    parsed = parse_timestamps(pa.array(texts, pa.string()), NEW_YORK)
    assert parsed.column.cast(pa.int64()).to_pylist() == expected
    assert parsed.assumed == sum(a != b for a, b in zip(without, expected, strict=True))
    for text, micros, assumed in zip(texts, without, expected, strict=True):
        assert micros == assumed or (micros is None and text and text[-1] not in "Zz")


@pytest.mark.parametrize(
    "name", ["", "Mars", "+0200", "+24:00", "02:00", "../UTC", "Europe/../UTC"]
)
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        zone_of(name)
