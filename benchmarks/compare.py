"""Compares ways to turn job events into records: the same files in, the same records out.

    python -m benchmarks.compare --events 1000000 --runs 3 --json comparison.json

Each contender is a separate process, measured from its start to its end. In each round all
contenders run one after the other, at two sizes. So a change of the machine's speed affects all of
them, and the start-up is separated from the cost of an event. The first round checks that all
contenders wrote the same records; of those that are not exact, the fields that they keep. Below a
million events, start-up and noise dominate, and the smaller file is too short to be split among
worker processes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from benchmarks.contenders import CONTENDERS, Contender, cores, is_installed
from benchmarks.content import CHANGED, ORIGIN, Content, content_of
from benchmarks.figures import Figures, figures_of, table
from benchmarks.measure import CommandError, Usage, measure
from pipeline.sample.write import write_samples

ROOT = Path(__file__).resolve().parents[1]

_SEED = 1
_SMALLER = 4
_PACKAGES = ("job-status", "apache-beam", "fastavro", "msgspec", "isal", "pyarrow", "numpy")

P = ParamSpec("P")
T = TypeVar("T")


class DifferenceError(Exception):
    """The contenders wrote different records."""


@dataclass(slots=True)
class Measured:
    """The measurements of one contender.

    Attributes:
        contender: The contender.
        runs: The usage of each round, by the number of events.
        contents: The content that it wrote, by the number of events.
    """

    contender: Contender
    runs: dict[int, list[Usage]] = field(default_factory=dict)
    contents: dict[int, Content] = field(default_factory=dict)


def compare(contenders: Sequence[Contender], events: int, rounds: int) -> list[Measured]:
    """Measures contenders at two sizes, a quarter of the events and all of them.

    Args:
        contenders: The contenders; the others are compared with the first.
        events: Number of events at the larger size.
        rounds: Number of runs of each contender at each size.

    Raises:
        CommandError: A contender failed.
        DifferenceError: A contender wrote other records than the first.
    """
    measured = [Measured(contender) for contender in contenders]
    with tempfile.TemporaryDirectory(prefix="job-status-compare-") as work:
        sources = {count: _sample(work, count) for count in (events // _SMALLER, events)}
        for number in range(rounds):
            first = number % len(measured)
            for count, source in sources.items():
                for each in measured[first:] + measured[:first]:
                    _run(each, number, count, source, work)
            if number == 0:
                check_equal(measured)
    return measured


def _sample(work: str, count: int) -> str:
    directory = os.path.join(work, f"events-{count}")
    counts = elsewhere(
        write_samples, directory, events=count, seed=_SEED, bad_fraction=0.0, shapes="lines"
    )
    return os.path.join(directory, counts.files[0].name)


def _run(measured: Measured, number: int, count: int, source: str, work: str) -> None:
    contender = measured.contender
    with tempfile.TemporaryDirectory(dir=work) as directory:
        usage = measure(contender.command(source, directory), ROOT)
        if number == 0:
            results = os.path.join(directory, contender.results)
            measured.contents[count] = elsewhere(content_of, results)
    measured.runs.setdefault(count, []).append(usage)
    print(
        f"round {number + 1}: ({contender.letter}) {contender.title}, {count:,} events: "
        f"{usage.seconds:.1f} s",
        file=sys.stderr,
    )


def elsewhere(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function in another process, to keep this process small: see `measure`."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def check_equal(measured: Sequence[Measured]) -> None:
    """Checks that all contenders wrote every event, and the same records with the same codec.

    Of those that are not exact, checks the fields that they keep, and reports lost records.

    Raises:
        DifferenceError: A contender did not.
    """
    first = measured[0]
    for each in measured:
        name = f"({each.contender.letter}) {each.contender.title}"
        for count, content in each.contents.items():
            if content.records != count:
                message = f"{name} wrote {content.records:,} of {count:,} events"
                if each.contender.is_exact:
                    raise DifferenceError(message)
                print(f"note: {message}", file=sys.stderr)
                continue
            is_exact = each.contender.is_exact and first.contender.is_exact
            if each.contender.is_exact and content.codecs != {"deflate"}:
                raise DifferenceError(f"{name} wrote with the codec {', '.join(content.codecs)}")
            if not content.is_equal(first.contents[count], is_exact=is_exact):
                raise DifferenceError(
                    f"{name} wrote other records than ({first.contender.letter}) "
                    f"{first.contender.title}, at {count:,} events"
                )


def machine() -> dict[str, Any]:
    """Describes the machine of the measurements."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": cores(),
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "packages": {name: version(name) for name in _PACKAGES},
    }


def document(measured: Sequence[Measured], about: dict[str, Any]) -> dict[str, Any]:
    """Returns all measurements as a JSON document; sizes in bytes, times in seconds."""
    return {
        "machine": about,
        "equal_content": True,
        "fields_not_compared": list(ORIGIN),
        "fields_compared_between_exact_contenders": list(CHANGED),
        "contenders": [
            {
                "letter": each.contender.letter,
                "title": each.contender.title,
                "is_exact": each.contender.is_exact,
                **asdict(figures),
                "output_bytes": {count: each.contents[count].bytes for count in each.contents},
                "rounds": {
                    count: [asdict(usage) for usage in usages]
                    for count, usages in each.runs.items()
                },
            }
            for each, figures in zip(measured, all_figures(measured), strict=True)
        ],
    }


def all_figures(measured: Sequence[Measured]) -> list[Figures]:
    """Returns the figures of all contenders, each compared with the first."""
    first = figures_of(measured[0].runs)
    return [figures_of(each.runs, first) for each in measured]


def contenders_of(letters: str) -> list[Contender]:
    """Returns the contenders of comma-separated letters, in this order.

    Raises:
        argparse.ArgumentTypeError: No contender has one of the letters.
    """
    known = {contender.letter: contender for contender in CONTENDERS}
    try:
        return [known[letter.strip()] for letter in letters.split(",")]
    except KeyError as error:
        raise argparse.ArgumentTypeError(
            f"no contender {error}; there are {','.join(known)}"
        ) from None


def _number(at_least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if (value := int(text)) < at_least:
            raise argparse.ArgumentTypeError(f"at least {at_least}")
        return value

    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the comparison and prints the table. Returns 1 if a contender failed or differs."""
    everyone = ",".join(each.letter for each in CONTENDERS if is_installed(each))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Compares ways to turn job events into Avro: same files, same records.",
        epilog="contenders: " + "; ".join(f"{each.letter}: {each.title}" for each in CONTENDERS),
    )
    parser.add_argument(
        "--events",
        type=_number(_SMALLER),
        default=1_000_000,
        help="number of events (default: 1000000)",
    )
    parser.add_argument(
        "--runs",
        type=_number(1),
        default=3,
        help="runs of each contender at each size (default: 3)",
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--contenders",
        type=contenders_of,
        default=everyone,
        metavar="LETTERS",
        help=f"the contenders; the others are compared with the first (default: {everyone})",
    )
    options = parser.parse_args(arguments)
    about = machine()
    try:
        measured = compare(options.contenders, options.events, options.runs)
    except (CommandError, DifferenceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    names = [(each.contender.letter, each.contender.title) for each in measured]
    sizes = [each.contents[options.events].bytes for each in measured]
    print(table(names, all_figures(measured), sizes))
    if (load := about["load_before"]) and load[0] > about["cores"] / 4:
        print(
            f"note: the machine was busy before the start (load {load[0]:.1f} on {about['cores']} "
            "cores); prefer processor time to elapsed time",
            file=sys.stderr,
        )
    if options.json is not None:
        text = json.dumps(document(measured, about), indent=1)
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
