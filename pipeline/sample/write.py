"""Writes sample files: realistic job events of every provider, good and bad.

The same arguments write the same bytes on every machine; in compressed files, the same content.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from pipeline.sample import feed
from pipeline.sample.payloads import (
    BAD_JOBS,
    BAD_PAYLOADS,
    Render,
    job_text,
    other_events,
    page_text,
    posting_text,
    single_text,
    webhook_text,
)
from schemas.errors import OutputError, UsageError

Shapes = Literal["all", "lines"]
Kind = Literal["envelopes", "jobs", "pages", "single_jobs", "arrays", "page", "array", "postings"]
_Slot = Literal["good", "bad", "other"]


@dataclass
class SampleFile:
    """The result that a run over one file must have.

    Attributes:
        kind: The form of its payloads.
        events: Number of events of jobs and postings to write.
        error_codes: Bad payloads, each one dead letter, by error code.
        ignored_types: Events of other types, by type.
    """

    name: str
    kind: Kind
    events: int = 0
    error_codes: Counter[str] = field(default_factory=Counter)
    ignored_types: Counter[str] = field(default_factory=Counter)


_Contents = Iterator[tuple[SampleFile, Iterator[str]]]
"""Files with their texts, which update the counts of their file."""


@dataclass(frozen=True)
class SampleCounts:
    """The result that a run over all files must have: events to write, dead letters, ignored."""

    files: tuple[SampleFile, ...]
    events: int
    bad: int
    ignored: int

    @property
    def read(self) -> int:
        """Returns the number of all events, which is the number that was asked for."""
        return self.events + self.bad + self.ignored


def write_samples(
    directory: str, *, events: int, seed: int, bad_fraction: float, shapes: Shapes
) -> SampleCounts:
    """Writes sample files and returns the result that a run over them must have.

    Args:
        directory: Created if missing. Files of the same names are replaced.
        events: Number of events to read, including bad ones and those of other types.
        seed: Seed of the random generator.
        bad_fraction: Share of bad payloads, 0 to 1.
        shapes: `lines` writes one `events.jsonl` of webhook envelopes, for benchmarks, in little
            memory. `all` writes a file or more of each form in which events arrive.

    Raises:
        UsageError: A number is out of its range.
        OutputError: The directory or a file in it cannot be written.
    """
    if events < 0 or not 0 <= bad_fraction <= 1:
        raise UsageError(
            "The number of events cannot be negative, and the bad fraction lies between 0 and 1.",
            "For example: --events 1000 --bad_fraction 0.05",
        )
    contents = _lines if shapes == "lines" else _every_kind
    files = []
    try:
        os.makedirs(directory, exist_ok=True)
        for file, texts in contents(random.Random(seed), events, round(events * bad_fraction)):
            _write(os.path.join(directory, file.name), texts)
            files.append(file)
    except OSError as error:
        raise OutputError(
            f"Cannot write samples into {directory}: {error.strerror or error}",
            "Name a directory that can be made and written to, on a disk with room.",
        ) from error
    return SampleCounts(
        tuple(files),
        events=sum(file.events for file in files),
        bad=sum(file.error_codes.total() for file in files),
        ignored=sum(file.ignored_types.total() for file in files),
    )


def _write(path: str, texts: Iterator[str]) -> None:
    """Writes the texts under a temporary name first, so that a file of this name is complete."""
    partial = path + ".partial"
    try:
        with open(partial, "wb") as file:
            packed = path.endswith(".gz")
            # Without name and time in its header, a compressed file depends on its content only.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) if packed else file as out:
                while some := "".join(itertools.islice(texts, 2048)):
                    out.write(some.encode("utf-8", "surrogateescape"))
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.remove(partial)
        raise


def _lines(rng: random.Random, events: int, bad: int) -> _Contents:
    file = SampleFile("events.jsonl", "envelopes", events=events - bad)
    yield file, _event_lines(rng, file, events, bad)


def _event_lines(rng: random.Random, file: SampleFile, events: int, bad: int) -> Iterator[str]:
    distinct = feed.job_events(rng, feed.statuses_by_weight(rng), jobs=1 << 18, late_per_1024=2)
    damages = itertools.cycle(BAD_PAYLOADS)
    remaining = range(events, 0, -1)
    for left, event in zip(remaining, feed.with_duplicates(rng, distinct, 0.01), strict=False):
        # The first line is good unless all are bad: it shows the file's format.
        if rng.random() * left < bad and (left < events or bad == events):
            bad -= 1
            code, damage = next(damages)
            file.error_codes[code] += 1
            yield damage(event, webhook_text) + "\n"
        else:
            yield webhook_text(event) + "\n"


# Name, kind, the provider of an export (None: a feed of all providers), share of the events.
_FILES: tuple[tuple[str, Kind, str | None, int], ...] = (
    ("webhooks.jsonl", "envelopes", None, 45),
    ("webhooks_archive.jsonl.gz", "envelopes", None, 20),
    ("jobs.jsonl", "jobs", "jazzhr", 9),
    ("pages.jsonl", "pages", "smartrecruiters", 10),
    ("single_jobs.jsonl", "single_jobs", "bamboohr", 4),
    ("arrays.jsonl", "arrays", None, 6),
    ("page.json", "page", "workday", 2),
    ("array.json", "array", None, 2),
    ("postings.jsonl", "postings", None, 2),
)
_OTHER_TYPES_SHARE = 0.03

# The elements of arrays, in turn. The second function makes an element of the texts of two jobs.
_ELEMENTS: tuple[tuple[Render, Callable[[list[str]], str] | None], ...] = (
    (webhook_text, None),
    (job_text, None),
    (job_text, page_text),
    (single_text, None),
    (job_text, lambda jobs: f'{{"event":"ats_jobs.updated","event_data":[{",".join(jobs)}]}}'),
)


def _every_kind(rng: random.Random, events: int, bad: int) -> _Contents:
    others = round((events - bad) * _OTHER_TYPES_SHARE)
    shares = [share for _, _, _, share in _FILES]
    # An export has jobs only. Feeds, arrays and postings have events of other types as well.
    mixed = [share * (kind in ("envelopes", "arrays", "postings")) for _, kind, _, share in _FILES]
    good = _split(events - bad - others, shares)
    counts = zip(good, _split(bad, shares), _split(others, mixed), strict=True)
    statuses = feed.statuses_in_turn(rng, None)
    maker = _PayloadMaker(rng)
    for (name, kind, provider, _), slots in zip(_FILES, counts, strict=True):
        file = SampleFile(name, kind)
        if kind == "postings":
            own = feed.statuses_of_postings()
        else:
            own = statuses if provider is None else feed.statuses_in_turn(rng, provider)
        yield file, maker.texts(file, own, _shuffled(rng, *slots))


def _split(count: int, shares: Sequence[int]) -> list[int]:
    """Splits a count by shares, into whole numbers that add up to it."""
    bounds = [count * part // sum(shares) for part in itertools.accumulate(shares, initial=0)]
    return [end - start for start, end in itertools.pairwise(bounds)]


def _shuffled(rng: random.Random, good: int, bad: int, other: int) -> list[_Slot]:
    """Returns slots in random order; the first is good, if any is: it shows the file's format."""
    counts: dict[_Slot, int] = {"good": good, "bad": bad, "other": other}
    slots = [slot for slot, count in counts.items() for _ in range(count)]
    rng.shuffle(slots)
    if good:
        first = slots.index("good")
        slots[0], slots[first] = slots[first], slots[0]
    return slots


class _PayloadMaker:
    """Makes the payloads of one file after another, and counts them in its `SampleFile`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._others = other_events(rng)
        # All files share these, so that a few bad payloads have many different faults.
        self._damages = {True: itertools.cycle(BAD_PAYLOADS), False: itertools.cycle(BAD_JOBS)}

    def texts(
        self, file: SampleFile, statuses: Iterator[feed.Status], slots: list[_Slot]
    ) -> Iterator[str]:
        """Yields the content of a file, a line or a document at a time."""
        self._file = file
        events = feed.job_events(self._rng, statuses, jobs=1 << 8, late_per_1024=30)
        varied = (feed.varied(self._rng, event) for event in events)
        self._feed = feed.with_duplicates(self._rng, varied, 0.04)
        if file.kind == "pages":
            return self._pages(iter(slots))
        if file.kind == "arrays":
            return self._arrays(self._elements(slots))
        if file.kind == "page":
            return iter([_indented(page_text(self._jobs(slots)))])
        if file.kind == "array":
            return iter([_indented(f"[{','.join(self._elements(slots))}]")])
        renders: dict[Kind, Render] = {
            "jobs": job_text,
            "single_jobs": single_text,
            "postings": self._posting,
        }
        render = renders.get(file.kind, webhook_text)
        return (self._payload(slot, render, whole=True) + "\n" for slot in slots)

    def _payload(self, slot: _Slot, render: Render, *, whole: bool) -> str:
        """Makes a whole payload or a part of one. A bad part is a job of `BAD_JOBS`."""
        file = self._file
        if slot == "other" and file.kind == "postings":
            kind = "ats_job_postings.updated"
            event = self._next_posting()
            record = event.record.replace("ats_jobs", "ats_job_postings")
            event = event._replace(type=kind, record=record)
            file.ignored_types[kind] += 1
            return webhook_text(event, self._posting(event))
        if slot == "other":
            kind, text = next(self._others)
            file.ignored_types[kind] += 1
            return text
        event = self._next_posting() if file.kind == "postings" else next(self._feed)
        if slot == "good":
            file.events += 1
            return render(event)
        # Even a file of bad lines must show that it holds lines: its first line is valid JSON.
        is_first = not (file.events or file.error_codes or file.ignored_types)
        code, damage = BAD_PAYLOADS[0] if whole and is_first else next(self._damages[whole])
        file.error_codes[code] += 1
        return damage(event, render)

    def _next_posting(self) -> feed.Event:
        # Without a status, a bare posting is not one.
        return next(event for event in self._feed if event.fields)

    def _posting(self, event: feed.Event) -> str:
        return posting_text(event, next(self._feed))

    def _jobs(self, slots: Iterable[_Slot]) -> list[str]:
        return [self._payload(slot, job_text, whole=False) for slot in slots]

    def _pages(self, slots: Iterator[_Slot]) -> Iterator[str]:
        for number in itertools.count(2):
            jobs = self._jobs(itertools.islice(slots, self._rng.randrange(1, 13)))
            if not jobs:
                break
            yield page_text(jobs, number) + "\n"
        # A client that requests pages until there are no more gets an empty one in the end.
        yield page_text(()) + "\n"

    def _elements(self, slots: list[_Slot]) -> Iterator[str]:
        """Yields the elements of arrays: the events of other types first."""
        others = [slot for slot in slots if slot == "other"]
        jobs = iter([slot for slot in slots if slot != "other"])
        for slot in others:
            yield self._payload(slot, webhook_text, whole=False)
        for render, join in itertools.cycle(_ELEMENTS):
            some = itertools.islice(jobs, 2 if join else 1)
            texts = [self._payload(slot, render, whole=False) for slot in some]
            if not texts:
                return
            yield join(texts) if join else texts[0]

    def _arrays(self, elements: Iterator[str]) -> Iterator[str]:
        while some := list(itertools.islice(elements, self._rng.randrange(1, 6))):
            yield f"[{','.join(some)}]\n"


def _indented(text: str) -> str:
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
