"""Converts RFC 3339 timestamps to microseconds since 1970, UTC: one, or a column at a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.blocks import TIMESTAMP

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_DAY = 24 * 3600
# The calendar repeats after 400 years.
_YEARS_OF_CYCLE = 400
_DAYS_OF_CYCLE = 146_097
_FIRST = -62_135_596_800_000_000
"""Start of year 1 in microseconds. fastavro stops reading a file at a date outside 1 to 9999."""
_LAST = 253_402_300_799_999_999


def zone_of(name: str) -> tzinfo:
    """Returns a time zone by its IANA name, such as Europe/Paris, or its offset, such as +02:00.

    Raises:
        ValueError: There is no such zone.
    """
    found = _ZONE.fullmatch(name)
    if found is not None:
        sign, hours, minutes = found.groups()
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError("an offset is less than 24 hours")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError("no such time zone on this machine") from error


def parse_timestamp(text: str, assumed_zone: tzinfo | None = None) -> int | None:
    """Reads one timestamp.

    Args:
        text: RFC 3339 with an offset; a space may replace the T, and the colon of the offset may be
            missing. Digits beyond microseconds are truncated. A leap second, which can only be the
            last one of a month in UTC, becomes the first second after it.
        assumed_zone: The time zone of a text without an offset, which cannot be read otherwise. Of
            a local time that occurs twice, this is the first one.

    Returns:
        Microseconds since 1970-01-01T00:00:00Z, or None if it cannot be read or is outside the
        years 1 to 9999 UTC.
    """
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
    """Returns whether a minute is the last one of a month, as that of a leap second is.

    Args:
        start: The start of the minute in seconds since 1970, UTC.
    """
    days, second_of_day = divmod(start + 60, _DAY)
    return second_of_day == 0 and (_EPOCH + timedelta(days % _DAYS_OF_CYCLE)).day == 1


class ParsedTimestamps(NamedTuple):
    """A column of timestamps, null where they cannot be read.

    `assumed` is the number of those that have no offset and were read in the assumed zone.
    """

    column: pa.TimestampArray
    assumed: int = 0


def parse_timestamps(texts: pa.StringArray, assumed_zone: tzinfo | None = None) -> ParsedTimestamps:
    """Reads a column of timestamps as `parse_timestamp` reads one.

    Arrow's cast reads the column if it gives the same as `parse_timestamp` for every row. If one
    row has another form, `parse_timestamp` reads all rows.
    """
    if texts.null_count == len(texts):
        return ParsedTimestamps(pa.nulls(len(texts), TIMESTAMP))
    if _is_plain(texts):
        try:
            column = pc.cast(texts, TIMESTAMP)
        except pa.ArrowInvalid:
            pass
        else:
            first_and_last = pc.min_max(column.cast(pa.int64()))
            if first_and_last["min"].as_py() >= _FIRST and first_and_last["max"].as_py() <= _LAST:
                return ParsedTimestamps(column)
    given = texts.to_pylist()
    micros = [None if text is None else parse_timestamp(text) for text in given]
    assumed = 0
    if assumed_zone is not None:
        for row, text in enumerate(given):
            if text is not None and micros[row] is None:
                micros[row] = parse_timestamp(text, assumed_zone)
                assumed += micros[row] is not None
    return ParsedTimestamps(pa.array(micros, pa.int64()).cast(TIMESTAMP), assumed)


_Z_LENGTHS = len("2025-05-01T10:00:00Z"), len("2025-05-01T10:00:00.123456Z")
_OFFSET_LENGTHS = len("2025-05-01T10:00:00+0100"), len("2025-05-01T10:00:00.123456+01:00")


def _is_plain(texts: pa.StringArray) -> bool:
    """Returns whether every text ends in Z or an offset and is as long as a date with seconds.

    Among the forms that Arrow's cast accepts, only RFC 3339 passes this check.
    """
    given = texts.drop_null() if texts.null_count else texts
    _, ends_buffer, data_buffer = given.buffers()
    bounds = np.frombuffer(ends_buffer, np.int32)[given.offset : given.offset + len(given) + 1]
    lengths = np.diff(bounds)
    if lengths.min() < _Z_LENGTHS[0] or lengths.max() > _OFFSET_LENGTHS[1]:
        return False
    data = np.frombuffer(data_buffer, np.uint8)
    ends = bounds[1:]
    in_z = (data[ends - 1] == ord("Z")) & (lengths <= _Z_LENGTHS[1])
    if in_z.all():
        return True
    with_colon = _is_sign(data[ends - 6]) & (data[ends - 3] == ord(":"))
    in_offset = (with_colon | _is_sign(data[ends - 5])) & (lengths >= _OFFSET_LENGTHS[0])
    return bool((in_z | in_offset).all())


def _is_sign(octets: np.ndarray) -> np.ndarray:
    return (octets == ord("+")) | (octets == ord("-"))
