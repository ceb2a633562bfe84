"""Renders events as payloads: as feeds carry them, damaged, and of other types."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator

from pipeline.sample.feed import Event
from pipeline.sample.providers import sample_data, status_pair

Render = Callable[[Event], str]
"""Renders an event as a payload or as a part of one."""

Damage = Callable[[Event, Render], str]
"""Renders an event as a payload that must become a dead letter."""


def job_text(event: Event) -> str:
    """Renders the bare job, as a backfill holds it."""
    return f'{{"id":{event.job_id},"remote_id":{event.remote_id}{event.fields}}}'


def posting_text(event: Event, job: Event) -> str:
    """Renders an event as a bare job posting, of the job of another event."""
    return (
        f'{{"id":{event.job_id},"remote_id":{event.remote_id},"job_id":{job.job_id},'
        f'"remote_job_id":{job.remote_id}{event.fields}}}'
    )


def webhook_text(event: Event, data: str | None = None) -> str:
    """Renders the envelope of a webhook, with the job or with other JSON in it."""
    return (
        f'{{"event":"{event.type}","event_date":"{event.event_date}","sent_at":"{event.sent_at}",'
        f'{event.account},"record_id":{event.job_id}{event.record},'
        f'"{event.key}":{data or job_text(event)}}}'
    )


def single_text(event: Event) -> str:
    """Renders the response to a request for one job."""
    return f'{{"data":{job_text(event)}}}'


def page_text(jobs: Iterable[str], next_page: int | None = None) -> str:
    """Renders a page of a list of jobs; None for `next_page` makes it the last one."""
    token = "null" if next_page is None else f'"page-{next_page}"'
    # `raw` holds the provider's own response. The pipeline must not read a job from it.
    return f'{{"next":{token},"data":[{",".join(jobs)}],"raw":[{{"id":17,"status":"live"}}]}}'


def other_events(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yields events of other types that share a feed with jobs: the type, and the payload."""
    for number in itertools.count(1):
        for kind, template in sample_data().other_events.items():
            record = f"{rng.getrandbits(32):08x}"
            fields = template.replace("$number", str(number))
            text = (
                f'{{"event":"{kind}","event_date":"2025-05-02T08:00:00.000Z","provider":"bamboohr",'
                f'"record_id":"{record}","event_data":{{"id":"{record}",{fields}}}}}'
            )
            yield kind, text


def _with(**changes: str) -> Damage:
    return lambda event, render: render(event._replace(**changes))


def _with_fields(fields: str, title: str = "Welder") -> Damage:
    # A deletion may have no fields, so the event becomes an update.
    return _with(type="ats_jobs.updated", fields=f',"title":"{title}"{fields}')


def _text(text: str) -> Damage:
    return lambda event, render: text


def _truncated(event: Event, render: Render) -> str:
    text = render(event)
    return text[: len(text) * 2 // 3]


# Each entry has the error code of its dead letter. These payloads are bad wherever the job stands.
BAD_JOBS: tuple[tuple[str, Damage], ...] = (
    ("WRONG_TYPE", lambda event, render: render(event._replace(job_id=f"[{event.job_id}]"))),
    ("WRONG_TYPE", _with_fields(status_pair("7", '"Open"'))),
    ("WRONG_TYPE", _with(remote_id='{"id":"6404"}')),
    ("WRONG_TYPE", _with_fields(',"status":["open"]')),
)

# These damage the payload as a whole. U+DCE9 becomes the byte E9: Latin-1 sent as UTF-8.
BAD_PAYLOADS: tuple[tuple[str, Damage], ...] = (
    ("NOT_AN_EVENT", _text('{"ok":true,"message":"pong"}')),
    ("INVALID_JSON", _truncated),
    ("INVALID_UTF8", _with_fields(',"status":"open"', title="Caf\udce9 Manager")),
    ("INVALID_JSON", _with_fields(status_pair("null", "NaN"))),
    ("LONE_SURROGATE", _with_fields(',"status":"open"', title="Welder \\ud83d")),
    ("TOO_DEEP", _with_fields(status_pair("null", "[" * 400 + '"Open"' + "]" * 400))),
    *BAD_JOBS,
    ("WRONG_TYPE", lambda event, render: webhook_text(event, '"see attachment"')),
    ("NOT_AN_EVENT", _text('"ats_jobs.updated"')),
    ("INVALID_JSON", _text("{'event': 'ats_jobs.updated', 'event_data': None}")),
    ("INVALID_JSON", lambda event, render: render(event) + " OK"),
    ("NOT_AN_EVENT", _text("null")),
    ("INVALID_JSON", _text("<html><body><h1>502 Bad Gateway</h1></body></html>")),
)
