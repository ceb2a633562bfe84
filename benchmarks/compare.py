"""Compares ways to turn job events into Avro: the same files in, the same records out.

    python -m benchmarks.compare --events 1000000 --runs 3 --json comparison.json

Every contender is a process of its own, measured from outside from its start to its end. In each
round all of them run one after the other, at two sizes, so that a machine that changes its pace
changes it for all; and what each costs to start and for each event come out apart. The first round
checks that all wrote the same records. Under a million events, start-up and chance are much of what
there is to see, and the smaller file is too short to be shared out among worker processes.
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

from benchmarks.contenders import CONTENDERS, Contender, cores
from benchmarks.content import ORIGIN, Content, content_of
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
    """Two contenders wrote different records."""


@dataclass(slots=True)
class Measured:
    """What was measured of one contender.

    Attributes:
        contender: Which one.
        runs: By the number of events, what each round took.
        contents: By the number of events, what it wrote.
    """

    contender: Contender
    runs: dict[int, list[Usage]] = field(default_factory=dict)
    contents: dict[int, Content] = field(default_factory=dict)


def compare(contenders: Sequence[Contender], events: int, rounds: int) -> list[Measured]:
    """Measures contenders at two sizes, a quarter of the events and all of them.

    Args:
        contenders: Who takes part.
        events: How many events there are at the larger size.
        rounds: How often each runs at each size.

    Raises:
        CommandError: One of them failed.
        DifferenceError: One of them wrote other records than the first.
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
    """Calls a function in another process: this one must stay small, see `measure`."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def check_equal(measured: Sequence[Measured]) -> None:
    """Checks that everybody wrote every event, and the same records with the same codec.

    Raises:
        DifferenceError: Somebody did not.
    """
    first = measured[0]
    for each in measured:
        name = f"({each.contender.letter}) {each.contender.title}"
        for count, content in each.contents.items():
            if content.records != count:
                raise DifferenceError(f"{name} wrote {content.records:,} of {count:,} events")
            if content.codecs != {"deflate"}:
                raise DifferenceError(f"{name} wrote with the codec {', '.join(content.codecs)}")
            if content.digest != first.contents[count].digest:
                raise DifferenceError(
                    f"{name} wrote other records than ({first.contender.letter}) "
                    f"{first.contender.title}, at {count:,} events"
                )


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": cores(),
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "packages": {name: version(name) for name in _PACKAGES},
    }


def document(measured: Sequence[Measured], about: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for a file; sizes are in bytes, times in seconds."""
    return {
        "machine": about,
        "equal_content": True,
        "fields_not_compared": list(ORIGIN),
        "contenders": [
            {
                "letter": each.contender.letter,
                "title": each.contender.title,
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
    """The figures of all, each beside those of the first."""
    first = figures_of(measured[0].runs)
    return [figures_of(each.runs, first) for each in measured]


def chosen(letters: str) -> list[Contender]:
    """The contenders of a list of letters, in its order.

    Raises:
        argparse.ArgumentTypeError: One of them is nobody's.
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
    """Runs the comparison: prints the table, writes the file; 1 if somebody failed or differs."""
    everyone = ",".join(contender.letter for contender in CONTENDERS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Compares ways to turn job events into Avro: same files, same records.",
        epilog="contenders: " + "; ".join(f"{each.letter}: {each.title}" for each in CONTENDERS),
    )
    parser.add_argument(
        "--events", type=_number(_SMALLER), default=1_000_000, help="how many (default: 1000000)"
    )
    parser.add_argument(
        "--runs", type=_number(1), default=3, help="of each contender at each size (default: 3)"
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--contenders",
        type=chosen,
        default=everyone,
        metavar="LETTERS",
        help=f"who takes part; the first is the measure of the others (default: {everyone})",
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
            "cores); processor time tells more than time",
            file=sys.stderr,
        )
    if options.json is not None:
        text = json.dumps(document(measured, about), indent=1)
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
