"""Reads RFC 3339 timestamps as microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

import numpy as np

from transforms.kernel.buffers import address_of, padded
from transforms.kernel.compiling import compiled, entry, inlined
from transforms.kernel.json_text import COLON, DOT, IN_LOWER_CASE, MINUS, SPACE, ZERO, is_digit
from transforms.kernel.octets import byte_at
from transforms.kernel.rows import UNREADABLE

_PLUS = 43
_LOWER_T, _LOWER_Z = 116, 122
_SHORTEST = len("2025-05-01T10:00:00")

NO_OFFSET = -(2**63)
"""Means that a text without an offset cannot be read."""

_FIRST = -62_135_596_800_000_000
"""Start of year 1 in microseconds. fastavro stops reading a file at a date outside 1 to 9999."""
_LAST = 253_402_300_799_999_999
_DAYS_OF_MONTH = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_DAYS_OF_CYCLE = 146_097
"""The calendar repeats after 400 years."""
_DAY = 24 * 3600
_DAYS_TO_1970 = 719_468
"""From 0000-03-01, on which `days_since_1970` starts to count."""

_NOT_DIGITS = -10_000
"""Makes any sum negative in which it is a part."""


@inlined
def two_digits(at: int) -> int:
    """Returns the number of two digits, or a number below -1000."""
    tens, ones = byte_at(at), byte_at(at + 1)
    if not is_digit(tens) or not is_digit(ones):
        return _NOT_DIGITS
    return (tens - ZERO) * 10 + ones - ZERO


@inlined
def is_leap_year(year: int) -> bool:
    """Returns whether a year has a 29 February; the year 0 has one."""
    return (year % 4 == 0 and year % 100 != 0) or year % 400 == 0


@inlined
def days_since_1970(year: int, month: int, day: int) -> int:
    """Returns the number of a day in the Gregorian calendar."""
    # A year that starts in March has its leap day at its end, so that months have fixed starts.
    if month < 3:
        year -= 1
        month += 12
    cycle = year // 400
    year -= cycle * 400
    day_of_year = (153 * (month - 3) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + day_of_year
    return cycle * _DAYS_OF_CYCLE + days - _DAYS_TO_1970


@compiled
def ends_month(start: int) -> bool:
    """Returns whether a minute is the last one of a month, as that of a leap second is.

    Args:
        start: The start of the minute in seconds since 1970, UTC.
    """
    days, second_of_day = (start + 60) // _DAY, (start + 60) % _DAY
    if second_of_day != 0:
        return False
    # The next day is the first of a month. The divisors are the days of 4, 100 and 400 years.
    days = (days + _DAYS_TO_1970) % _DAYS_OF_CYCLE
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    day_of_year = days - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    return day_of_year == (153 * month + 2) // 5


@inlined
def offset_of(at: int, end: int, assumed: int) -> int:
    """Returns the offset that the bytes [at, end) give in seconds, or NO_OFFSET."""
    if at == end:
        return assumed
    zone = byte_at(at)
    if zone | IN_LOWER_CASE == _LOWER_Z:
        return 0 if at + 1 == end else NO_OFFSET
    has_colon = byte_at(at + 3) == COLON
    if (zone != _PLUS and zone != MINUS) or end - at != (6 if has_colon else 5):
        return NO_OFFSET
    hours, minutes = two_digits(at + 1), two_digits(at + 4 if has_colon else at + 3)
    if hours < 0 or minutes < 0 or hours > 23 or minutes > 59:
        return NO_OFFSET
    seconds = hours * 3600 + minutes * 60
    return -seconds if zone == MINUS else seconds


@compiled
def parse_timestamp(start: int, end: int, assumed: int) -> int:
    """Reads one timestamp, the bytes [start, end).

    It is RFC 3339 with an offset; a space may replace the T, and the colon of the offset may be
    missing. Digits beyond microseconds are truncated. A leap second, which can only be the last one
    of a month in UTC, becomes the first second after it.

    Args:
        start: Address of the text.
        end: The address after it.
        assumed: The offset of a text that has none, in seconds, or NO_OFFSET.

    Returns:
        Microseconds since 1970, or UNREADABLE if it has another form, is no date of the calendar,
        or is outside the years 1 to 9999 UTC.
    """
    if end - start < _SHORTEST:
        return UNREADABLE
    year = two_digits(start) * 100 + two_digits(start + 2)
    month, day = two_digits(start + 5), two_digits(start + 8)
    hour, minute, second = two_digits(start + 11), two_digits(start + 14), two_digits(start + 17)
    if year < 0 or month < 1 or day < 1 or hour < 0 or minute < 0 or second < 0:
        return UNREADABLE
    if byte_at(start + 4) != MINUS or byte_at(start + 7) != MINUS:
        return UNREADABLE
    separator = byte_at(start + 10)
    if separator | IN_LOWER_CASE != _LOWER_T and separator != SPACE:
        return UNREADABLE
    if byte_at(start + 13) != COLON or byte_at(start + 16) != COLON:
        return UNREADABLE
    if month > 12 or hour > 23 or minute > 59 or second > 60 or day > _DAYS_OF_MONTH[month]:
        return UNREADABLE
    if month == 2 and day == 29 and not is_leap_year(year):
        return UNREADABLE
    at = start + _SHORTEST
    micros = 0
    if at < end and byte_at(at) == DOT:
        at += 1
        first = at
        unit = 100_000
        while at < end and is_digit(byte_at(at)):
            micros += (byte_at(at) - ZERO) * unit
            unit //= 10
            at += 1
        if at == first:
            return UNREADABLE
    offset = offset_of(at, end, assumed)
    if offset == NO_OFFSET:
        return UNREADABLE
    minute_start = days_since_1970(year, month, day) * _DAY + hour * 3600 + minute * 60 - offset
    if second == 60 and not ends_month(minute_start):
        return UNREADABLE
    result = (minute_start + second) * 1_000_000 + micros
    return result if _FIRST <= result <= _LAST else UNREADABLE


@entry
def read(start: int, end: int, assumed: int) -> int:
    """Reads one timestamp; see `parse_timestamp`."""
    return parse_timestamp(start, end, assumed)


def read_timestamp(text: bytes, assumed: int = NO_OFFSET) -> int:
    """Reads one timestamp; see `parse_timestamp`."""
    buffer = padded(text)
    start = address_of(buffer)
    return read(start, start + len(text), assumed)
