"""Converts RFC 3339 timestamps to microseconds since 1970, UTC: one, or a column at a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.blocks import TIMESTAMP

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)
_MINUTE = timedelta(minutes=1)
# The calendar repeats after 400 years.
_YEARS_OF_CYCLE = 400
_DAYS_OF_CYCLE = 146_097
_MINUTES_OF_CYCLE = _DAYS_OF_CYCLE * 24 * 60
_FIRST = -62_135_596_800_000_000
"""Start of year 1 in microseconds. fastavro stops reading a file at a date outside 1 to 9999."""
_LAST = 253_402_300_799_999_999


def parse_timestamp(text: str) -> int | None:
    """Reads one timestamp.

    Args:
        text: RFC 3339 with an offset; a space may replace the T. Digits beyond microseconds are
            truncated. A leap second becomes the first second after it.

    Returns:
        Microseconds since 1970-01-01T00:00:00Z, or None if it cannot be read or is outside the
        years 1 to 9999 UTC.
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 5, 6))
    fraction, sign, offset_hours, offset_minutes = found.group(7, 8, 9, 10)
    try:
        # RFC 3339 allows the year 0, and an offset may move it into the year 1.
        moment = datetime(year or _YEARS_OF_CYCLE, month, day, hour, minute)
    except ValueError:
        return None
    minutes = (moment - _EPOCH) // _MINUTE - (0 if year else _MINUTES_OF_CYCLE)
    if sign is not None:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            return None
        offset = int(offset_hours) * 60 + int(offset_minutes)
        minutes += offset if sign == "-" else -offset
    if second > 60 or (second == 60 and not _ends_month(minutes)):
        return None
    micros = minutes * 60_000_000 + second * 1_000_000
    micros += int((fraction or "")[:6].ljust(6, "0"))
    return micros if _FIRST <= micros <= _LAST else None


def _ends_month(minutes: int) -> bool:
    """Returns whether a minute since 1970, UTC, is the last of a month, as of a leap second."""
    days, minute_of_day = divmod(minutes + 1, 24 * 60)
    return minute_of_day == 0 and (_EPOCH + timedelta(days % _DAYS_OF_CYCLE)).day == 1


def parse_timestamps(texts: pa.StringArray) -> pa.TimestampArray:
    """Reads a column of timestamps; those that cannot be read are null.

    Arrow's cast reads the column if it gives the same as `parse_timestamp` for every row. If one
    row has another form, `parse_timestamp` reads all rows.
    """
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), TIMESTAMP)
    if _is_plain(texts):
        try:
            column = pc.cast(texts, TIMESTAMP)
        except pa.ArrowInvalid:
            pass
        else:
            first_and_last = pc.min_max(column.cast(pa.int64()))
            if first_and_last["min"].as_py() >= _FIRST and first_and_last["max"].as_py() <= _LAST:
                return column
    micros = [None if text is None else parse_timestamp(text) for text in texts.to_pylist()]
    return pa.array(micros, pa.int64()).cast(TIMESTAMP)


_Z_LENGTHS = len("2025-05-01T10:00:00Z"), len("2025-05-01T10:00:00.123456Z")
_OFFSET_LENGTHS = len("2025-05-01T10:00:00+01:00"), len("2025-05-01T10:00:00.123456+01:00")


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
    sign = data[ends - 6]
    in_offset = (data[ends - 3] == ord(":")) & ((sign == ord("+")) | (sign == ord("-")))
    return bool((in_z | (in_offset & (lengths >= _OFFSET_LENGTHS[0]))).all())
