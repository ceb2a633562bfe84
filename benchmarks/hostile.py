"""Measures the throughput of data that is built to be slow, compared with ordinary data.

    python -m benchmarks.hostile --megabytes 200 --runs 3

Start-up is excluded: each kind also runs at a quarter of the size, and the result is the difference
of the medians. The kinds run in turn, because the speed of a shared machine changes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median

from benchmarks.compare import ROOT, elsewhere
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import Usage, measure
from pipeline.sample.write import write_samples

_MEGABYTE = 1_000_000
_LINE_BYTES = 9_900_000
"""Slightly less than the limit of a line."""
_ONE_PROCESS = next(each for each in CONTENDERS if each.letter == "d")

_ENVELOPE = (
    '{"event":"ats_jobs.updated","event_date":"2025-05-08T06:34:36.433Z","project_id":"prod",'
    '"account_id":"45355976281015164504","provider":"%s","record_id":"%08x","event_data":'
    '{"id":"%08x","remote_id":"%d","title":"%s","job_status":{"value":null,"source_value":%s},'
    '"updated_at":"2025-05-08T06:34:36.433Z"}}'
)


def _envelope(number: int, provider: str, status: str, title: str) -> str:
    return _ENVELOPE % (provider, number, number, number, title, status)


def _distinct_words(number: int) -> str:
    return _envelope(number, "lever", f'"{number:x} on hold"', "Engineer " * 20)


def _distinct_trees(number: int) -> str:
    label = f'{{"status":{{"name":{{"value":{{"label":"\u00c4_h/{number}"}}}},"id":"{number}"}}}}'
    return _envelope(number, "unknown", label, "Engineer " * 12)


def _distinct_objects(number: int) -> str:
    status = f'{{"id":"{number}","label":"on hold {number:x}"}}'
    return _envelope(number, "lever", status, "Engineer " * 18)


def _near_the_limit(number: int) -> str:
    return _envelope(number, "lever", '"published"', "x" * _LINE_BYTES)


def _truncated(number: int) -> str:
    return _envelope(number, "lever", '"published"', "Engineer " * 20)[:-2]


def _lone_surrogates(number: int) -> str:
    return _envelope(number, "lever", '"\\ud800"', "Engineer " * 20)


KINDS: dict[str, Callable[[int], str]] = {
    "every status distinct": _distinct_words,
    "every status a distinct object": _distinct_objects,
    "every status a distinct tree": _distinct_trees,
    "every line near the limit": _near_the_limit,
    "every payload truncated": _truncated,
    "every status half a character": _lone_surrogates,
}
"""A function for each kind that makes a line from a number."""

_ORDINARY = "ordinary"
_ORDINARY_BYTES = 450
"""Size of an event of the samples."""


def write(directory: str, kind: str, size: int) -> Path:
    """Writes lines of a kind until the file has the given size in bytes."""
    if kind == _ORDINARY:
        made = write_samples(
            directory, events=size // _ORDINARY_BYTES, seed=1, bad_fraction=0.0, shapes="lines"
        )
        return Path(directory, made.files[0].name)
    path = Path(directory, "events.jsonl")
    make, written, number = KINDS[kind], 0, 0
    with path.open("wb") as file:
        # A run of dead letters only ends with exit code 4.
        file.write(b'{"id":"1","status":"Open"}\n')
        while written < size:
            written += file.write(make(number).encode() + b"\n")
            number += 1
    return path


@dataclass(slots=True)
class _Case:
    """A file of a kind, and the usage of each run that read it."""

    source: Path
    size: int
    rounds: list[Usage] = field(default_factory=list)

    def measure(self, place: str) -> None:
        with tempfile.TemporaryDirectory(dir=place) as output:
            self.rounds.append(measure(_ONE_PROCESS.command(str(self.source), output), ROOT))

    @property
    def cpu_seconds(self) -> float:
        return median(each.cpu_seconds for each in self.rounds)

    @property
    def largest_bytes(self) -> float:
        return median(each.largest_bytes for each in self.rounds)


def _case(place: str, kind: str, size: int) -> _Case:
    source = elsewhere(write, tempfile.mkdtemp(dir=place), kind, size)
    return _Case(source, source.stat().st_size)


def _rate(small: _Case, large: _Case) -> float:
    """Returns bytes per second of processor time."""
    return (large.size - small.size) / (large.cpu_seconds - small.cpu_seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hostile",
        description="Measures the throughput of data that is built to be slow.",
    )
    parser.add_argument(
        "--megabytes", type=int, default=200, help="size of each kind (default: 200)"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each file (default: 3)")
    options = parser.parse_args(arguments)
    size = options.megabytes * _MEGABYTE
    with tempfile.TemporaryDirectory(prefix="job-status-hostile-") as place:
        cases = {
            kind: (_case(place, kind, size // 4), _case(place, kind, size))
            for kind in (_ORDINARY, *KINDS)
        }
        for _ in range(options.runs):
            for case in chain.from_iterable(cases.values()):
                case.measure(place)
    print("| kind | MB a second of processor time | of ordinary | peak MB |")
    print("| --- | ---: | ---: | ---: |")
    ordinary = _rate(*cases[_ORDINARY])
    for kind, (small, large) in cases.items():
        rate = _rate(small, large)
        peak = large.largest_bytes / _MEGABYTE
        print(f"| {kind} | {rate / _MEGABYTE:.1f} | {rate / ordinary:.2f} | {peak:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
