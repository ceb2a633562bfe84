"""Makes test messages: unordered, repeated, bad, empty, of other types, and with 100 events in one.

Each message has a line of a file with the same events and the attributes in its text. A run over
that file gives the expected results.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.sample.write import write_samples

EVENTS_OF_A_PAGE = 100
_PAGES = 4
_CONTEXT = ("event", "provider", "account_id", "project_id")


class Sent(NamedTuple):
    """A message to publish.

    Attributes:
        payload: Its data.
        attributes: Its attributes.
        line: The line of a file with the same events, or None if there are none.
    """

    payload: bytes
    attributes: dict[str, str]
    line: bytes | None


@cache
def traffic(messages: int, seed: int = 1) -> Sequence[Sent]:
    """Returns messages of every kind; equal arguments give equal messages."""
    rng = random.Random(seed)
    some = messages // 100
    in_pages = _PAGES * EVENTS_OF_A_PAGE
    good = envelopes(in_pages + 10 * some, seed, 0.0)
    made = [*_pages(good[:in_pages]), *map(_with_attributes, good[in_pages:])]
    made += [*_others(some), *_without_events(some)]
    twice = 3 * some
    plain = envelopes(messages - len(made) - twice, seed + 1, 0.02)
    made += [Sent(line, {}, line) for line in plain]
    made += rng.choices(made, k=twice)
    rng.shuffle(made)
    return made


@cache
def envelopes(count: int, seed: int, bad_fraction: float = 0.0) -> tuple[bytes, ...]:
    """Returns webhook envelopes with one event each."""
    with tempfile.TemporaryDirectory() as directory:
        write_samples(directory, events=count, seed=seed, bad_fraction=bad_fraction, shapes="lines")
        return tuple(Path(directory, "events.jsonl").read_bytes().split(b"\n")[:-1])


def page_of(lines: Iterable[bytes]) -> bytes:
    """Returns the jobs of envelopes as a page of a list call."""
    return _json({"next": None, "data": [json.loads(line)["event_data"] for line in lines]})


def _pages(good: Sequence[bytes]) -> Iterator[Sent]:
    for number in range(_PAGES):
        page = page_of(good[number * EVENTS_OF_A_PAGE :][:EVENTS_OF_A_PAGE])
        attributes = {
            "event": "ats_jobs.updated",
            "provider": "greenhouse",
            "account_id": f"page-{number}",
            "project_id": "prod",
        }
        yield Sent(page, attributes, _json({**attributes, **json.loads(page)}))


def _with_attributes(line: bytes) -> Sent:
    """Returns the job of an envelope, with the context of the envelope as attributes."""
    envelope = json.loads(line)
    attributes = {name: str(envelope[name]) for name in _CONTEXT}
    job = envelope["event_data"]
    return Sent(_json(job), attributes, _json({**attributes, "event_data": job}))


def _others(count: int) -> Iterator[Sent]:
    for number in range(count):
        line = _json({"event": "ats_candidates.updated", "event_data": {"id": str(number)}})
        yield Sent(line, {}, line)


def _without_events(count: int) -> Iterator[Sent]:
    empty = (b"", b" \n", b'{"next":null,"data":[]}', b'{"data":null}')
    for number in range(count):
        # A message without data must have attributes.
        yield Sent(empty[number % len(empty)], {"provider": "lever"}, None)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
