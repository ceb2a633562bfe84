"""Measures time and memory for 1, 2, 4 and 8 million events.

    python -m benchmarks.scale --millions 1,2,4,8

Each million is a separate file with its own seed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compare import ROOT, elsewhere
from benchmarks.contenders import CONTENDERS
from benchmarks.measure import measure
from pipeline.sample.write import write_samples

_MILLION = 1_000_000
_LETTERS = ("d", "e")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description="Measures time and memory by the number of events.",
    )
    parser.add_argument(
        "--millions", default="1,2,4,8", help="millions of events, ascending (default: 1,2,4,8)"
    )
    sizes = [int(each) for each in parser.parse_args(arguments).millions.split(",")]
    contenders = [each for each in CONTENDERS if each.letter in _LETTERS]
    print("| millions of events | program | seconds | µs an event | largest process MB | all MB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="job-status-scale-") as work:
        source = Path(work) / "events"
        source.mkdir()
        for size in sizes:
            for seed in range(len(list(source.iterdir())), size):
                _add_million(Path(work), source, seed)
            for contender in contenders:
                with tempfile.TemporaryDirectory(dir=work) as output:
                    usage = measure(contender.command(f"{source}/*", output), ROOT)
                print(
                    f"| {size} | {contender.title} | {usage.seconds:.1f} "
                    f"| {usage.seconds / size:.1f} | {usage.largest_bytes / 1e6:.0f} "
                    f"| {usage.total_bytes / 1e6:.0f} |",
                    flush=True,
                )
    return 0


def _add_million(work: Path, source: Path, seed: int) -> None:
    directory = str(work / "new")
    made = elsewhere(
        write_samples, directory, events=_MILLION, seed=seed, bad_fraction=0.0, shapes="lines"
    )
    Path(directory, made.files[0].name).rename(source / f"{seed}.jsonl")


if __name__ == "__main__":
    sys.exit(main())
