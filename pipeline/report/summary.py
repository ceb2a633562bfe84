"""Prints the summary at the end of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.options import RunOptions
from pipeline.report.next_steps import next_steps
from pipeline.report.shell_lines import as_called, shell_lines
from pipeline.report.text import counted, duration_text, printable, shortened, size_text
from schemas.counts import NO_NAME, Counts
from schemas.manifest import Manifest

_MAX_WIDTH = 80
_MAX_NAMES = 12
_MAX_DATA_NAMES = 5
_LONGEST_NAME = 40

_NO_STATUS = "it is read from job_status, status; events with only ids have none"

_NO_TIME = "it is read from event_date, updated_at, created_at"


def print_summary(report: Manifest, options: RunOptions, console: Console) -> None:
    """Prints a summary of at most 80 columns.

    Texts of the data, such as names of event types, are only printed on a terminal, not to logs.
    """
    width = min(_MAX_WIDTH, console.width) if console.is_terminal else _MAX_WIDTH
    console.print(_figures(report, options, width, console.is_terminal))
    steps = list(next_steps(report, options))
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
    if report.skipped_inputs or report.changed_inputs:
        changed = f"{report.changed_inputs:,} changed, read again" if report.changed_inputs else ""
        row("skipped files", report.skipped_inputs, f"read by earlier runs; {changed}".rstrip("; "))
    row("written", report.written, _counts(report.by_value, _MAX_NAMES))
    if len(report.by_record_type) > 1:
        row("", None, _counts(report.by_record_type, _MAX_NAMES))
    row("dead-lettered", report.dead_lettered, _counts(report.by_error_code, _MAX_NAMES))
    types = _counts(report.ignored_by_type, _MAX_DATA_NAMES) if with_data else ""
    row("ignored", report.ignored, types)
    texts = [
        (f"{_name(each.source_value)} of {_name(each.provider or 'no provider')}", each.count)
        for each in report.unmapped
    ]
    unmapped = _listed(texts, _MAX_DATA_NAMES) if with_data else ""
    row("unmapped", report.by_derivation.get("unmapped", 0), unmapped)
    accounts = _counts(report.accounts_without_provider, _MAX_DATA_NAMES) if with_data else ""
    without_provider = sum(report.accounts_without_provider.values())
    unknown = _counts(report.providers_without_table, _MAX_DATA_NAMES) if with_data else ""
    for name, count, text in (
        ("no provider", without_provider, accounts and f"accounts: {accounts}"),
        ("no table", sum(report.providers_without_table.values()), unknown),
        ("no job id", report.without_job_id, "it is read from id, record_id"),
        ("no status", report.by_derivation.get("absent", 0), _NO_STATUS),
        ("no time", report.by_day.get(NO_NAME, 0), _NO_TIME),
    ):
        if count:
            row(name, count, text)
    if report.assumed_timezone:
        text = f"timestamps without an offset, in {options.assume_timezone}"
        row("assumed zone", report.assumed_timezone, text)
    for output in ("job_status", "dead_letter"):
        files = [file for file in report.files if file.output == output]
        if files:
            size = size_text(sum(file.bytes for file in files))
            directory = os.path.dirname(files[0].path)
            row(output, None, f"{counted(len(files), 'file')}, {size}, in {directory}")
    if options.report is not None:
        row("report", None, options.report)
    return table


def _name(text: str) -> str:
    return shortened(text, _LONGEST_NAME)


def _counts(counts: Counts, max_names: int) -> str:
    return _listed([(_name(name), count) for name, count in counts.items()], max_names)


def _listed(counts: Sequence[tuple[str, int]], max_names: int) -> str:
    shown = [f"{name} {count:,}" for name, count in counts[:max_names]]
    more = len(counts) - len(shown)
    return ", ".join([*shown, f"and {more:,} more"] if more else shown)
