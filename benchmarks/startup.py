"""Measures the processor time of a run of one event, beside the import of Beam alone.

    python -m benchmarks.startup [--runs 7] [CHECKOUT ...]

All are measured in turns, so that a change of the machine's speed affects all of them. With the
path of another checkout, that checkout is measured as well, with the same interpreter.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Usage, measure

ROOT = Path(__file__).resolve().parents[1]

_RUN = "import sys; from pipeline.entry import main; sys.exit(main())"
_IMPORT = "import apache_beam"
_COLUMNS = ("", "CPU s", "more than the import", "seconds", "largest MB")


@dataclass(frozen=True, slots=True)
class Start:
    """A program to start.

    Attributes:
        title: A description of a few words.
        code: The program.
        directory: Its working directory, from which it imports.
        runs: Whether it is a run of job-status, which gets arguments.
    """

    title: str
    code: str
    directory: Path
    runs: bool = True

    def command(self, source: Path, output: Path) -> list[str]:
        """Returns the command that reads a file and writes into a new directory."""
        files = [f"--input={source}", f"--output={output}"]
        return [sys.executable, "-c", self.code, *(["run", *files] if self.runs else [])]


def starts(checkouts: Sequence[Path]) -> list[Start]:
    """Returns the import of Beam, and a run of this checkout and of others."""
    runs = [Start(f"a run, {path.resolve().name}", _RUN, path) for path in (ROOT, *checkouts)]
    return [Start("import apache_beam", _IMPORT, ROOT, runs=False), *runs]


def measure_starts(programs: Sequence[Start], rounds: int) -> list[list[Usage]]:
    """Measures programs in turns, after one round that compiles and caches what they import."""
    usages: list[list[Usage]] = [[] for _ in programs]
    with tempfile.TemporaryDirectory(prefix="job-status-startup-") as work:
        source = Path(work, "one.jsonl")
        with (ROOT / "samples" / "webhooks.jsonl").open("rb") as samples:
            source.write_bytes(samples.readline())
        for number in range(rounds + 1):
            for place, program in enumerate(programs):
                output = Path(work, f"{place}-{number}")
                usage = measure(program.command(source, output), program.directory)
                if number:
                    usages[place].append(usage)
    return usages


def table(programs: Sequence[Start], usages: Sequence[Sequence[Usage]]) -> str:
    """Renders medians as a Markdown table. The first program is the one to subtract."""
    base = median(each.cpu_seconds for each in usages[0])
    lines = ["| " + " | ".join(_COLUMNS) + " |", "| --- |" + " ---: |" * (len(_COLUMNS) - 1)]
    for program, each in zip(programs, usages, strict=True):
        cpu = median(usage.cpu_seconds for usage in each)
        wall = median(usage.seconds for usage in each)
        size = median(usage.largest_bytes for usage in each) / 1e6
        lines.append(
            f"| {program.title} | {cpu:.2f} | {cpu - base:+.2f} | {wall:.2f} | {size:.0f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup",
        description="Measures the processor time of a run of one event.",
    )
    parser.add_argument("--runs", type=int, default=7, help="rounds to measure (default: 7)")
    parser.add_argument("checkouts", nargs="*", type=Path, help="other checkouts to measure")
    options = parser.parse_args(arguments)
    programs = starts(options.checkouts)
    print(table(programs, measure_starts(programs, options.runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
