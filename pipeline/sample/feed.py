"""Generates a feed of job events: statuses, ids and times, duplicates, fields of some customers."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from functools import cache
from typing import NamedTuple

from pipeline.sample.providers import RemoteIds, posting_statuses, sample_data, status_rows

_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_START = int(datetime(2025, 5, 1, tzinfo=timezone.utc).timestamp())
_UNREADABLE_TIMES = ("1746093600", '"2025-05-01"', '"yesterday"')

Status = tuple[int, str]
"""The index of a provider, and the status of a job as text from `StatusRow.forms`."""


class Event(NamedTuple):
    """An event of one job. `account` and all that follows is JSON text.

    `record` and `fields` hold further members of the envelope and of the job. They start with a
    comma, or are empty.
    """

    type: str
    event_date: str
    sent_at: str
    account: str
    record: str
    key: str
    job_id: str
    remote_id: str
    fields: str


def statuses_in_turn(rng: random.Random, provider: str | None) -> Iterator[Status]:
    """Yields every status of a provider, or of all providers, once before it repeats any."""
    data = sample_data()
    rows = [
        row for row in status_rows() if provider in (None, data.providers[row.provider].names[0])
    ]
    weights = [form["varied"] for form in data.forms.values()]
    rng.shuffle(rows)
    for row in itertools.cycle(rows):
        yield row.provider, rng.choices(row.forms, weights)[0]


def statuses_of_postings() -> Iterator[Status]:
    """Yields the statuses of postings in turn, each of the next provider."""
    providers = itertools.cycle(range(len(sample_data().providers)))
    return zip(providers, itertools.cycle(posting_statuses()), strict=False)


def statuses_by_weight(rng: random.Random) -> Iterator[Status]:
    """Yields statuses of all providers by their shares, in forms by their ordinary weights."""
    rows, forms = status_rows(), sample_data().forms.values()
    statuses = [(row.provider, text) for row in rows for text in row.forms]
    weights = (row.share * form["ordinary"] for row in rows for form in forms)
    cumulative = list(itertools.accumulate(weights))
    while True:
        yield from rng.choices(statuses, cum_weights=cumulative, k=1024)


def job_events(
    rng: random.Random, statuses: Iterator[Status], *, jobs: int, late_per_1024: int
) -> Iterator[Event]:
    """Yields an event for each status, in the order of sending. Draws 64 random bits for each.

    Args:
        rng: The source of the random bits.
        statuses: The provider and the status of each event.
        jobs: Number of jobs of a provider, a power of two up to 2**18.
        late_per_1024: How many of 1,024 events happened days before they were sent.
    """
    providers = sample_data().providers
    accounts = [_accounts(provider.names, n) for n, provider in enumerate(providers)]
    offsets = [provider.utc_offset_hours for provider in providers]
    # A job's times are the same instants at any offset; only their text differs.
    zones = [(hours * 3600, f"{hours:+03}:00" if hours else ".000Z") for hours in offsets]
    titles = _titles()
    now = _START * 1000
    for number, status in statuses:
        bits = rng.getrandbits(64)
        job = bits & jobs - 1
        now += bits >> 18 & 0x7FF
        happened = now - 10 * (bits >> 29 & 0x3FF)
        if bits >> 39 & 0x3FF < late_per_1024:
            happened -= (1 + (bits >> 55)) * 1_800_000
        kind = bits >> 58
        event_type = "deleted" if kind < 3 else "created" if kind < 12 else "updated"
        key = f"{job * 0x9E3779B1 + number & 0xFFFFFFFF:08x}"
        fields = ""
        # Two of three deletions hold the ids of the job only.
        if kind not in (1, 2):
            offset, zone = zones[number]
            # The same for all events of a job, and at least 20 days before the first event.
            created = _START - 20 * _DAY - job * 7919 % (500 * _DAY)
            updated = happened // 1000 - (bits >> 49 & 0x1F)
            fields = (
                f',"title":{titles[job % len(titles)]}{status}'
                f',"created_at":"{_time(created + offset)}{zone}"'
                f',"updated_at":"{_time(updated + offset)}{zone}"'
            )
        yield Event(
            f"ats_jobs.{event_type}",
            _time_with_milliseconds(happened),
            _time_with_milliseconds(now + (bits >> 44 & 0xFFF)),
            accounts[number][job & 3],
            "",
            "event_data",
            f'"{key}"',
            _remote_id(providers[number].remote_ids, job, key),
            fields,
        )


def with_duplicates(rng: random.Random, events: Iterator[Event], share: float) -> Iterator[Event]:
    """Yields events, and this share of recent ones again: unchanged, or with a new `sent_at`."""
    recent: list[Event] = []
    for count, event in enumerate(events):
        if rng.random() < share and recent:
            old = recent[rng.getrandbits(8) % len(recent)]
            yield old if rng.random() < 0.5 else old._replace(sent_at=event.sent_at)
        yield event
        if len(recent) < 256:
            recent.append(event)
        else:
            recent[count & 255] = event


def varied(rng: random.Random, event: Event) -> Event:
    """Adds members that only some providers and customers send, and changes some others."""
    record = f',"record_type":"ats_jobs","record_remote_id":{event.remote_id}'
    if rng.random() < 0.3:
        record += f',"raw_event":{{"action":"job_{event.type.rpartition(".")[2]}","version":2}}'
    fields = event.fields
    if fields and rng.random() < 0.05:
        kept = fields.rpartition(',"updated_at":')[0]
        fields = f'{kept},"updated_at":{rng.choice(_UNREADABLE_TIMES)}'
    if fields and rng.random() < 0.25:
        who = rng.randrange(1, 40)
        fields += (
            f',"hiring_team":[{{"first_name":"Sample","last_name":"Recruiter {who}",'
            f'"email":"recruiter-{who}@example.com","role":"Recruiter"}}],"confidential":"false"'
        )
    if fields and rng.random() < 0.25:
        fields += f',"department_ids":["{rng.randrange(1, 9)}"],"custom_fields":[{{"value":1.50}}]'
    numeric = rng.random() < 0.1
    return event._replace(
        record=record,
        key="data" if rng.random() < 0.1 else event.key,
        job_id=str(int(event.job_id[1:-1], 16)) if numeric else event.job_id,
        fields=fields,
    )


def _titles() -> list[str]:
    """Returns titles as JSON text; every other one has escapes for what is not ASCII."""
    data = sample_data()
    titles = itertools.product(data.levels, data.roles)
    return [
        json.dumps(level + role, ensure_ascii=n % 2 == 0) for n, (level, role) in enumerate(titles)
    ]


def _accounts(names: Sequence[str], number: int) -> tuple[str, ...]:
    """Returns four accounts of a provider; those after the first use its other names, if any."""
    return tuple(
        f'"project_id":"{project}",'
        f'"account_id":"{45355976281015164504 + 7919 * number + 104729 * k}",'
        f'"provider":"{names[min(k, len(names) - 1)]}"'
        for k, project in enumerate(("prod", "prod", "prod", "staging"))
    )


def _remote_id(form: RemoteIds, job: int, key: str) -> str:
    if form == "uuid":
        return f'"{key}-{key[2:6]}-4d2a-9c1e-{key[4:]}{key}"'
    if form == "code":
        return f'"{key.upper()}"'
    return str(4_000_000 + job) if form == "number" else f'"{4_000_000 + job}"'


def _time(second: int) -> str:
    """Formats a time without its zone. The cached parts make this four times as fast."""
    return _date(second // _DAY) + _time_of_day(second % _DAY)


def _time_with_milliseconds(millisecond: int) -> str:
    second, fraction = divmod(millisecond, 1000)
    return f"{_time(second)}.{fraction:03}Z"


@cache
def _date(day: int) -> str:
    return f"{date.fromordinal(_EPOCH + day)}T"


@cache
def _time_of_day(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
