"""What a run says at its end to the person who started it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.options import RunOptions
from pipeline.report.next_steps import next_steps
from pipeline.report.shell_lines import as_called, shell_lines
from pipeline.report.text import counted, duration_text, printable, shortened, size_text
from schemas.manifest import Manifest

_WIDTH = 80
_MOST_NAMES = 12
_MOST_TYPES = 5
_MOST_UNMAPPED = 5
_LONGEST_NAME = 40


def print_summary(report: Manifest, options: RunOptions, console: Console) -> None:
    """Prints a summary; what stands in the data itself, names of types too, only on a terminal.

    Args:
        report: Of the run.
        options: Of the run.
        console: Where to; at most 80 columns are used.
    """
    width = min(_WIDTH, console.width) if console.is_terminal else _WIDTH
    console.print(_figures(report, options, width, console.is_terminal))
    steps = next_steps(report, options)
    if steps:
        console.print("\n[bold]what to do next[/bold]")
    for step in steps:
        console.print(escape(step.text), width=width, overflow="fold")
        if step.command and all(word.isprintable() for word in step.command):
            for line in shell_lines(as_called(step.command), step.target, width):
                console.print(line, style="cyan", markup=False, soft_wrap=True)


def _figures(report: Manifest, options: RunOptions, width: int, with_data: bool) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, width=width)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")

    def row(name: str, count: int | None, text: str) -> None:
        table.add_row(name, "" if count is None else f"{count:,}", escape(printable(text)))

    speed = f"{duration_text(report.duration_seconds)}, {report.events_per_second:,} events/s"
    row("read", report.read, speed)
    row("written", report.written, _counts(report.by_value, _MOST_NAMES))
    row("dead-lettered", report.dead_lettered, _counts(report.by_error_code, _MOST_NAMES))
    types = _counts(report.ignored_by_type, _MOST_TYPES) if with_data else ""
    row("ignored", report.ignored, types)
    texts = (
        (f"{_name(each.source_value)} of {_name(each.provider or 'no provider')}", each.count)
        for each in report.unmapped
    )
    unmapped = _listed(texts, len(report.unmapped), _MOST_UNMAPPED) if with_data else ""
    row("unmapped", report.by_derivation.get("unmapped", 0), unmapped)
    for output in ("job_status", "dead_letter"):
        files = [file for file in report.files if file.output == output]
        if files:
            size = size_text(sum(file.bytes for file in files))
            place = os.path.dirname(files[0].path)
            row(output, None, f"{counted(len(files), 'file')}, {size}, in {place}")
    if options.report is not None:
        row("report", None, options.report)
    return table


def _name(text: str) -> str:
    return shortened(text, _LONGEST_NAME)


def _counts(counts: dict[str, int], most: int) -> str:
    return _listed(((_name(name), count) for name, count in counts.items()), len(counts), most)


def _listed(named: Iterable[tuple[str, int]], total: int, most: int) -> str:
    shown = [f"{name} {count:,}" for (name, count), _ in zip(named, range(most), strict=False)]
    more = [f"and {total - most:,} more"] if total > most else []
    return ", ".join(shown + more)
