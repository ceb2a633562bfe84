"""Job events as text: good ones as feeds carry them, others beside them, and bad payloads."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from pipeline.sample.statuses import PROVIDERS, RemoteIds, status_rows


class Event(NamedTuple):
    """One event of one job, as pieces of JSON text; `record` and `fields` start with a comma."""

    type: str
    event_date: str
    sent_at: str
    account: str
    record: str
    key: str
    job_id: str
    remote_id: str
    fields: str


Render = Callable[[Event], str]
"""Turns an event into a payload, or into a part of one."""


def job_text(event: Event) -> str:
    """The job itself, as a backfill holds it."""
    return f'{{"id":{event.job_id},"remote_id":{event.remote_id}{event.fields}}}'


def envelope_text(event: Event, data: str) -> str:
    """The envelope of a webhook around the given JSON."""
    return (
        f'{{"event":"{event.type}","event_date":"{event.event_date}","sent_at":"{event.sent_at}",'
        f'{event.account},"record_id":{event.job_id}{event.record},"{event.key}":{data}}}'
    )


def webhook_text(event: Event) -> str:
    """The envelope of a webhook around its job."""
    return envelope_text(event, job_text(event))


def single_text(event: Event) -> str:
    """The answer to a question for one job."""
    return f'{{"data":{job_text(event)}}}'


def page_text(jobs: Iterable[str], next_page: int | None) -> str:
    """A page of a list; the last one has no next."""
    token = "null" if next_page is None else f'"page-{next_page}"'
    # Beside the jobs stands what the provider itself sent, which is nobody's job to read.
    return f'{{"next":{token},"data":[{",".join(jobs)}],"raw":[{{"id":17,"status":"live"}}]}}'


_START = (date(2025, 5, 1) - date(1970, 1, 1)).days * 86_400
_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_FRACTIONS = tuple(f".{millisecond:03}Z" for millisecond in range(1000))

_LEVELS = ("", "Senior ", "Junior ", "Lead ", "Interim ", "Assistant ", "Head ", "Trainee ")
_ROLES = (
    "Archaeologist", "Data Engineer", "Nurse (Night Shift)", "Warehouse Operative", "Bus Driver",
    "Account Executive", "Chef de Partie", "Electrician", "Site Reliability Engineer", "Welder",
    "Payroll Specialist", "Teacher, Physics", "Barista", 'Product Manager "Payments"', "Dispatcher",
    "UX/UI Designer", "Pflegefachkraft (m/w/d)", "Buchhalter:in, Köln", "Développeuse Café",
    "Técnico de Mantenimiento", "Krankenschwester für Zürich", "データエンジニア", "Инженер",
    "Sjuksköterska",
)  # fmt: skip
# What is not ASCII arrives escaped from some systems, and as it is from others.
_TITLES = tuple(
    json.dumps(level + role, ensure_ascii=number % 2 == 0)
    for number, (level, role) in enumerate(itertools.product(_LEVELS, _ROLES))
)

# Weights in the order of FORMS.
_COMMON_FORMS = (44, 36, 5, 8, 2, 1.5, 1, 0.3, 1, 0.7, 0.3, 0.2)
_VARIED_FORMS = (26, 20, 8, 12, 6, 6, 4, 2, 6, 4, 3, 3)
_UNMAPPED_SHARE = 0.01
_UNREADABLE_TIMES = ("1746093600", '"2025-05-01"', '"yesterday"')


class _Days(dict[int, str]):
    """The date of each day since 1970, made when it is first asked for."""

    def __missing__(self, day: int) -> str:
        text = self[day] = f"{date.fromordinal(_EPOCH + day)}T"
        return text


@lru_cache(maxsize=1)
def _calendar() -> tuple[_Days, tuple[str, ...]]:
    """Dates, and the time of each second of a day: looked up, a time costs a quarter."""
    times = (f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(_DAY))
    return _Days(), tuple(times)


def _accounts(names: Sequence[str], number: int) -> tuple[str, ...]:
    """Four accounts of a provider, those after the first under its other names, if it has any."""
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


Status = tuple[int, str]
"""The index of a provider in `PROVIDERS`, and what a job of it holds as its status."""


def in_turn(rng: random.Random, provider: str | None) -> Iterator[Status]:
    """Every status of one provider, or of all, once before any comes again."""
    every, _ = status_rows(_UNMAPPED_SHARE)
    rows = [row for row in every if provider in (None, PROVIDERS[row.provider].names[0])]
    rng.shuffle(rows)
    for row in itertools.cycle(rows):
        yield row.provider, rng.choices(row.forms, _VARIED_FORMS)[0]


def by_weight(rng: random.Random) -> Iterator[Status]:
    """Statuses of all providers as often as they occur, in the forms that are common."""
    rows, shares = status_rows(_UNMAPPED_SHARE)
    statuses = [(row.provider, text) for row in rows for text in row.forms]
    weights = (share * form for share in shares for form in _COMMON_FORMS)
    cumulative = list(itertools.accumulate(weights))
    while True:
        yield from rng.choices(statuses, cum_weights=cumulative, k=1024)


def events_of(
    rng: random.Random, statuses: Iterator[Status], *, jobs: int, late_per_1024: int
) -> Iterator[Event]:
    """Events as time passes, one for each status; each draws its random bits once.

    Args:
        rng: Where chance comes from.
        statuses: The provider of each event (its index), and what its job holds as a status.
        jobs: How many jobs a provider has, a power of two up to 2**18.
        late_per_1024: How many of 1,024 events happened days before they were sent.
    """
    accounts = [_accounts(provider.names, n) for n, provider in enumerate(PROVIDERS)]
    # An offset other than Z changes how a time is written, not when it was.
    zones = [
        (p.offset_hours * 3600, f"{p.offset_hours:+03}:00" if p.offset_hours else ".000Z")
        for p in PROVIDERS
    ]
    id_forms = [provider.remote_ids for provider in PROVIDERS]
    days, times = _calendar()
    clock = _START * 1000
    for number, status in statuses:
        bits = rng.getrandbits(64)
        job = bits & jobs - 1
        clock += bits >> 18 & 0x7FF
        happened = clock - 10 * (bits >> 29 & 0x3FF)
        if bits >> 39 & 0x3FF < late_per_1024:
            happened -= (1 + (bits >> 55)) * 1_800_000
        seconds, milliseconds = divmod(happened, 1000)
        updated = seconds - (bits >> 49 & 0x1F)
        shift, zone = zones[number]
        # Twenty days at least before the first event, and always the same for a job.
        created = _START - 20 * _DAY - job * 7919 % (500 * _DAY)
        kind = bits >> 58
        deleted = kind < 3
        if deleted and kind:
            fields = ""
        else:
            created += shift
            updated += shift
            fields = (
                f',"title":{_TITLES[job % len(_TITLES)]}{status}'
                f',"created_at":"{days[created // _DAY]}{times[created % _DAY]}{zone}"'
                f',"updated_at":"{days[updated // _DAY]}{times[updated % _DAY]}{zone}"'
            )
        sent, fraction = divmod(clock + (bits >> 44 & 0xFFF), 1000)
        key = f"{job * 0x9E3779B1 + number & 0xFFFFFFFF:08x}"
        yield Event(
            "ats_jobs.deleted" if deleted
            else "ats_jobs.created" if kind < 12 else "ats_jobs.updated",
            f"{days[seconds // _DAY]}{times[seconds % _DAY]}{_FRACTIONS[milliseconds]}",
            f"{days[sent // _DAY]}{times[sent % _DAY]}{_FRACTIONS[fraction]}",
            accounts[number][job & 3],
            "",
            "event_data",
            f'"{key}"',
            _remote_id(id_forms[number], job, key),
            fields,
        )  # fmt: skip


def sent_again(rng: random.Random, events: Iterator[Event], share: float) -> Iterator[Event]:
    """The events, and among them the given share of earlier ones: as they were, or sent anew."""
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
    """Adds what only some providers and some customers send."""
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


def other_events(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Events of other types that share a feed with jobs: the type, and the whole payload."""
    for number in itertools.count(1):
        person = f'"name":"Sample Person {number}","email":"person-{number}@example.com"'
        for kind, fields in (
            ("ats_candidates.updated", person),
            ("ats_job_postings.updated", '"title":"Welder","status":"published"'),
            ("hris_accounts.created", '"status":"active"'),
            ("ats_applications.created", '"application_status":{"value":null}'),
            ("hris_employees.updated", person),
        ):
            record = f"{rng.getrandbits(32):08x}"
            text = (
                f'{{"event":"{kind}","event_date":"2025-05-02T08:00:00.000Z","provider":"bamboohr",'
                f'"record_id":"{record}","event_data":{{"id":"{record}",{fields}}}}}'
            )
            yield kind, text


def _pair(value: str, source_value: str) -> str:
    return f',"title":"Welder","job_status":{{"value":{value},"source_value":{source_value}}}'


def _fields(fields: str) -> Callable[[Event, Render], str]:
    """A payload whose job has these fields; never a deletion, whose fields may be missing."""
    return lambda event, render: render(event._replace(type="ats_jobs.updated", fields=fields))


def _text(text: str) -> Callable[[Event, Render], str]:
    return lambda event, render: text


def _cut_off(event: Event, render: Render) -> str:
    text = render(event)
    return text[: len(text) * 2 // 3]


_Damage = tuple[str, Callable[[Event, Render], str]]

# Each has the code of the dead letter that it must become. Here one job is at fault, whatever
# stands around it.
BAD_JOBS: tuple[_Damage, ...] = (
    ("WRONG_TYPE", lambda event, render: render(event._replace(job_id=f"[{event.job_id}]"))),
    ("WRONG_TYPE", _fields(_pair("7", '"Open"'))),
    ("WRONG_TYPE", lambda event, render: render(event._replace(remote_id='{"id":"6404"}'))),
    ("WRONG_TYPE", _fields(',"title":"Welder","status":["open"]')),
)

# The payload as a whole is at fault. U+DCE9 stands for the byte E9: Latin-1 sent as UTF-8.
BAD_PAYLOADS: tuple[_Damage, ...] = (
    ("NOT_AN_EVENT", _text('{"ok":true,"message":"pong"}')),
    ("INVALID_JSON", _cut_off),
    ("INVALID_UTF8", _fields(',"title":"Caf\udce9 Manager","status":"open"')),
    ("INVALID_JSON", _fields(_pair("null", "NaN"))),
    ("LONE_SURROGATE", _fields(',"title":"Welder \\ud83d","status":"open"')),
    ("TOO_DEEP", _fields(_pair("null", "[" * 400 + '"Open"' + "]" * 400))),
    *BAD_JOBS,
    ("WRONG_TYPE", lambda event, render: envelope_text(event, '"see attachment"')),
    ("NOT_AN_EVENT", _text('"ats_jobs.updated"')),
    ("INVALID_JSON", _text("{'event': 'ats_jobs.updated', 'event_data': None}")),
    ("INVALID_JSON", lambda event, render: render(event) * 2),
    ("NOT_AN_EVENT", _text("null")),
    ("INVALID_JSON", _text("<html><body><h1>502 Bad Gateway</h1></body></html>")),
)
