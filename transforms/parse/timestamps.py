"""Reads the timestamps that have no offset in an assumed time zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np

from transforms.kernel import (
    CREATED_AT,
    CREATED_UNREADABLE,
    DATE_OF_EVENT,
    DATE_UNREADABLE,
    EVENT_DATE,
    EVENT_TIME,
    JOB_CREATED_AT,
    JOB_UPDATED_AT,
    UNREADABLE,
    UPDATED_AT,
    UPDATED_UNREADABLE,
    FinishedRows,
    read_timestamp,
)

_ZONE = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_MINUTE_LENGTH = len("2025-05-01T10:00")

TIMESTAMP_FIELDS = {
    "event_date": (DATE_UNREADABLE, EVENT_DATE, DATE_OF_EVENT),
    "created_at": (CREATED_UNREADABLE, CREATED_AT, JOB_CREATED_AT),
    "updated_at": (UPDATED_UNREADABLE, UPDATED_AT, JOB_UPDATED_AT),
}
"""The bit in `notes`, the field and the time of each timestamp."""


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


def read_in_zone(text: bytes, zone: tzinfo) -> int:
    """Reads one timestamp that may have no offset; its local time is that of a zone.

    Of a local time that occurs twice, this is the first one.

    Returns:
        Microseconds since 1970, or UNREADABLE.
    """
    # The calendar repeats after 400 years. Python has no year 0.
    minute = b"0400" + text[4:] if text.startswith(b"0000") else text
    local = read_timestamp(minute[:_MINUTE_LENGTH] + b":00Z")
    if local == UNREADABLE:
        return UNREADABLE
    offset = zone.utcoffset(_EPOCH + timedelta(microseconds=local))
    return UNREADABLE if offset is None else read_timestamp(text, offset // _SECOND)


def assume_zone(events: FinishedRows, zone: tzinfo) -> int:
    """Reads the timestamps of events that have no offset in a zone.

    Returns:
        The number of timestamps that were read.
    """
    assumed = 0
    times = events.times
    for bit, field, column in TIMESTAMP_FIELDS.values():
        for row in np.flatnonzero(events.notes & bit).tolist():
            micros = read_in_zone(events.text(row, field) or b"", zone)
            if micros != UNREADABLE:
                times[row, column] = micros
                events.notes[row] -= bit
                assumed += 1
    if assumed:
        times[:, EVENT_TIME] = UNREADABLE
        for column in (JOB_CREATED_AT, JOB_UPDATED_AT, DATE_OF_EVENT):
            given = times[:, column] != UNREADABLE
            times[given, EVENT_TIME] = times[given, column]
    return assumed
