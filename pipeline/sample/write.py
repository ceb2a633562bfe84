"""Makes realistic job events of every provider, good and bad, to try and measure the pipeline.

The same seed and arguments give the same bytes on every machine; of compressed files, the same
content.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import IO, Literal, cast

from pipeline.sample.events import (
    BAD_JOBS,
    BAD_PAYLOADS,
    Render,
    Status,
    by_weight,
    events_of,
    in_turn,
    job_text,
    other_events,
    page_text,
    sent_again,
    single_text,
    varied,
    webhook_text,
)
from schemas.errors import OutputError, UsageError

Shapes = Literal["all", "lines"]
Kind = Literal["envelopes", "jobs", "pages", "single_jobs", "arrays", "page", "array"]


@dataclass
class SampleFile:
    """What a run over one file must find.

    Attributes:
        name: The name of the file in its directory.
        kind: The shape of its payloads.
        events: Job events to be written.
        error_codes: Bad payloads, each worth one dead letter, by the code it must get.
        ignored_types: Events of other types, by type.
    """

    name: str
    kind: Kind
    events: int = 0
    error_codes: Counter[str] = field(default_factory=Counter)
    ignored_types: Counter[str] = field(default_factory=Counter)

    @property
    def bad(self) -> int:
        """How many dead letters the file is worth."""
        return sum(self.error_codes.values())

    @property
    def ignored(self) -> int:
        """How many events of other types it holds."""
        return sum(self.ignored_types.values())


@dataclass(frozen=True)
class SampleCounts:
    """What a run over all the files must find: `read` is `events` + `bad` + `ignored`."""

    files: tuple[SampleFile, ...]

    @property
    def events(self) -> int:
        """Job events to be written."""
        return sum(file.events for file in self.files)

    @property
    def bad(self) -> int:
        """Payloads to be dead-lettered."""
        return sum(file.bad for file in self.files)

    @property
    def ignored(self) -> int:
        """Events of other types."""
        return sum(file.ignored for file in self.files)

    @property
    def read(self) -> int:
        """Everything there is to read: the number of events that was asked for."""
        return self.events + self.bad + self.ignored


def write_samples(
    directory: str, *, events: int, seed: int, bad_fraction: float, shapes: Shapes
) -> SampleCounts:
    """Writes sample files into a directory and says what a run over them must find.

    Args:
        directory: Where to; made if it is missing. Files of the same names are replaced.
        events: How many events there are to read, bad ones and those of other types among them.
        seed: The same seed and arguments make the same files.
        bad_fraction: The share of bad payloads, 0 to 1.
        shapes: `lines`: one `events.jsonl` of webhook envelopes, for benchmarks, in little memory.
            `all`: a file or more of each shape in which events arrive.

    Raises:
        UsageError: A number is out of its range.
        OutputError: The directory or a file in it cannot be written.
    """
    if events < 0 or not 0 <= bad_fraction <= 1:
        raise UsageError(
            "The number of events cannot be negative, and the bad fraction lies between 0 and 1.",
            "For example: --events 1000 --bad_fraction 0.05",
        )
    rng = random.Random(seed)
    bad = round(events * bad_fraction)
    files = _lines(rng, events, bad) if shapes == "lines" else _every_shape(rng, events, bad)
    done = []
    try:
        os.makedirs(directory, exist_ok=True)
        for file, texts in files:
            _write(os.path.join(directory, file.name), texts)
            done.append(file)
    except OSError as error:
        raise OutputError(
            f"Cannot write samples into {directory}: {error.strerror or error}",
            "Name a directory that can be made and written to, on a disk with room.",
        ) from error
    return SampleCounts(tuple(done))


def _write(path: str, texts: Iterator[str]) -> None:
    """Writes the texts under a temporary name first: a file under its own name is complete."""
    partial = path + ".partial"
    try:
        with ExitStack() as stack:
            out: IO[bytes] = stack.enter_context(open(partial, "wb"))
            if path.endswith(".gz"):
                # Neither name nor time in the header: the file depends on its content only.
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0)
                out = cast(IO[bytes], stack.enter_context(packed))
            while some := "".join(itertools.islice(texts, 2048)):
                out.write(some.encode("utf-8", "surrogateescape"))
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.remove(partial)
        raise


def _lines(rng: random.Random, events: int, bad: int) -> Iterator[tuple[SampleFile, Iterator[str]]]:
    file = SampleFile("events.jsonl", "envelopes", events=events - bad)
    yield file, _event_lines(rng, events, bad, file)


def _event_lines(rng: random.Random, events: int, bad: int, file: SampleFile) -> Iterator[str]:
    feed = sent_again(rng, events_of(rng, by_weight(rng), jobs=1 << 18, late_per_1024=2), 0.01)
    damages = itertools.cycle(BAD_PAYLOADS)
    for left in range(events, 0, -1):
        event = next(feed)
        # A good line comes first, if there is one: it shows that the file is one of lines.
        if rng.random() * left < bad and (left < events or bad == events):
            bad -= 1
            code, damage = next(damages)
            file.error_codes[code] += 1
            yield damage(event, webhook_text) + "\n"
        else:
            yield webhook_text(event) + "\n"


# Name, shape, the provider of an export (None: a feed of all), and the share of the events.
_FILES: tuple[tuple[str, Kind, str | None, int], ...] = (
    ("webhooks.jsonl", "envelopes", None, 45),
    ("webhooks_archive.jsonl.gz", "envelopes", None, 20),
    ("jobs.jsonl", "jobs", "jazzhr", 9),
    ("pages.jsonl", "pages", "smartrecruiters", 10),
    ("single_jobs.jsonl", "single_jobs", "bamboohr", 4),
    ("arrays.jsonl", "arrays", None, 6),
    ("page.json", "page", "workday", 3),
    ("array.json", "array", None, 3),
)
_OTHER_TYPES_SHARE = 0.03

_Slot = Literal["good", "bad", "other"]
_RENDERS: dict[Kind, Render] = {
    "envelopes": webhook_text,
    "jobs": job_text,
    "single_jobs": single_text,
}


def _split(count: int, shares: Sequence[int]) -> list[int]:
    """Splits a count by shares, into whole numbers that add up to it."""
    bounds = [count * part // sum(shares) for part in itertools.accumulate(shares, initial=0)]
    return [end - start for start, end in itertools.pairwise(bounds)]


def _every_shape(
    rng: random.Random, events: int, bad: int
) -> Iterator[tuple[SampleFile, Iterator[str]]]:
    others = round((events - bad) * _OTHER_TYPES_SHARE)
    shares = [share for _, _, _, share in _FILES]
    # Only feeds and arrays hold events of other types: an export is of jobs.
    mixed = [s * (kind in ("envelopes", "arrays")) for _, kind, _, s in _FILES]
    counts = zip(
        _split(events - bad - others, shares),
        _split(bad, shares),
        _split(others, mixed),
        strict=True,
    )
    feed = in_turn(rng, None)
    maker = _Maker(rng)
    for (name, kind, provider, _), (good, wrong, other) in zip(_FILES, counts, strict=True):
        file = SampleFile(name, kind)
        maker.start(file, feed if provider is None else in_turn(rng, provider))
        yield file, _FILE_TEXTS[kind](maker, _slots(rng, good, wrong, other))


def _slots(rng: random.Random, good: int, bad: int, other: int) -> list[_Slot]:
    """What each payload of a file is to be, in order; a good one comes first, if there is one."""
    counts: tuple[tuple[_Slot, int], ...] = (("good", good), ("bad", bad), ("other", other))
    slots = [slot for slot, count in counts for _ in range(count)]
    rng.shuffle(slots)
    if good:
        # What the file is shows in its first line.
        first = slots.index("good")
        slots[0], slots[first] = slots[first], slots[0]
    return slots


class _Maker:
    """Makes the payloads of one file after another, and keeps the count of what it made."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._others = other_events(rng)
        # Shared by all the files, so that few bad payloads are of many kinds.
        self._damages = {
            True: itertools.cycle(BAD_PAYLOADS),
            False: itertools.cycle(BAD_JOBS),
        }

    def start(self, file: SampleFile, statuses: Iterator[Status]) -> None:
        self._file = file
        events = events_of(self.rng, statuses, jobs=1 << 8, late_per_1024=30)
        self._feed = sent_again(self.rng, (varied(self.rng, e) for e in events), 0.04)

    def payload(self, slot: _Slot, render: Render, *, alone: bool) -> str:
        """The text for a slot; `alone` where it is the whole payload, all of which can be bad."""
        if slot == "other":
            kind, text = next(self._others)
            self._file.ignored_types[kind] += 1
            return text
        event = next(self._feed)
        if slot == "good":
            self._file.events += 1
            return render(event)
        nothing_yet = not (self._file.events or self._file.bad or self._file.ignored)
        # Where all are bad, a file still shows that it is one of lines: it starts with sound JSON.
        code, damage = BAD_PAYLOADS[0] if alone and nothing_yet else next(self._damages[alone])
        self._file.error_codes[code] += 1
        return damage(event, render)

    def jobs(self, slots: Iterable[_Slot]) -> list[str]:
        """The texts of jobs that stand within something."""
        return [self.payload(slot, job_text, alone=False) for slot in slots]


def _line_texts(kind: Kind) -> Callable[[_Maker, list[_Slot]], Iterator[str]]:
    def texts(maker: _Maker, slots: list[_Slot]) -> Iterator[str]:
        for slot in slots:
            yield maker.payload(slot, _RENDERS[kind], alone=True) + "\n"

    return texts


def _page_texts(maker: _Maker, slots: list[_Slot]) -> Iterator[str]:
    left = iter(slots)
    for number in itertools.count(1):
        jobs = maker.jobs(itertools.islice(left, maker.rng.randrange(1, 13)))
        if not jobs:
            break
        yield page_text(jobs, number + 1) + "\n"
    # Who asks for pages until there are no more ends with an empty one.
    yield page_text((), None) + "\n"


def _elements(maker: _Maker, slots: list[_Slot]) -> Iterator[str]:
    """The elements of arrays: envelopes, bare jobs, pages and single jobs, in turn."""
    others = [slot for slot in slots if slot == "other"]
    ours = iter([slot for slot in slots if slot != "other"])
    for slot in others:
        yield maker.payload(slot, webhook_text, alone=False)
    for shape in itertools.cycle(("envelope", "job", "page", "single", "envelope of jobs")):
        several = shape in ("page", "envelope of jobs")
        some = list(itertools.islice(ours, 2 if several else 1))
        if not some:
            return
        if shape == "page":
            yield page_text(maker.jobs(some), None)
        elif shape == "envelope of jobs":
            data = ",".join(maker.jobs(some))
            yield f'{{"event":"ats_jobs.updated","event_data":[{data}]}}'
        else:
            render = {"envelope": webhook_text, "job": job_text, "single": single_text}[shape]
            yield maker.payload(some[0], render, alone=False)


def _array_texts(maker: _Maker, slots: list[_Slot]) -> Iterator[str]:
    elements = _elements(maker, slots)
    while some := list(itertools.islice(elements, maker.rng.randrange(1, 6))):
        yield f"[{','.join(some)}]\n"


def _pretty(text: str) -> Iterator[str]:
    yield json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def _page_document(maker: _Maker, slots: list[_Slot]) -> Iterator[str]:
    return _pretty(page_text(maker.jobs(slots), None))


def _array_document(maker: _Maker, slots: list[_Slot]) -> Iterator[str]:
    return _pretty(f"[{','.join(_elements(maker, slots))}]")


_FILE_TEXTS: dict[Kind, Callable[[_Maker, list[_Slot]], Iterator[str]]] = {
    "envelopes": _line_texts("envelopes"),
    "jobs": _line_texts("jobs"),
    "pages": _page_texts,
    "single_jobs": _line_texts("single_jobs"),
    "arrays": _array_texts,
    "page": _page_document,
    "array": _array_document,
}
