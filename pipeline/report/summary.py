"""Prints the summary at the end of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from pipeline.options import RunOptions
from pipeline.report.headlines import NO_ID, NO_STATUS, headlines
from pipeline.report.next_steps import next_steps
from pipeline.report.shell_lines import as_called, shell_lines
from pipeline.report.text import (
    NO_BREAK,
    counted,
    duration_text,
    share_text,
    shortened,
    size_text,
    wrapped,
)
from schemas.counts import NO_NAME, Counts
from schemas.manifest import Manifest, RunBefore

_MAX_WIDTH = 80
_MAX_NAMES = 12
_MAX_DATA_NAMES = 5
_LONGEST_NAME = 40

_RATE_SECONDS = 10
"""A shorter run has no rate in the summary: most of its time is the start."""

_ONLY_IDS = "events with only ids have none"

_NO_TIME = "it is read from event_date, updated_at, created_at"


def print_summary(report: Manifest, options: RunOptions, console: Console) -> None:
    """Prints a summary of at most 80 columns, with what matters most in its first lines.

    Texts of the data, such as names of event types, are only printed on a terminal, not to logs.
    """
    width = min(_MAX_WIDTH, console.width) if console.is_terminal else _MAX_WIDTH

    def show(text: str, style: str = "") -> None:
        for line in wrapped(text, width):
            console.print(Text(line, style), soft_wrap=True)

    for line in headlines(report, options):
        show(line, "bold yellow")
    rows = list(_rows(report, options, console.is_terminal))
    names, counts = (max(cell_len(row[column]) for row in rows) for column in (0, 1))
    indent = " " * (names + counts + 4)
    for name, count, text in rows:
        first, *others = wrapped(text, width - len(indent))
        row = Text.assemble((f"{name:{names}}", "bold"), f"  {count:>{counts}}  ", (first, "dim"))
        row.rstrip()
        console.print(row, soft_wrap=True)
        for line in others:
            console.print(Text(indent + line, "dim"), soft_wrap=True)
    steps = list(next_steps(report, options))
    if steps:
        console.print("\n[bold]what to do next[/bold]")
    for step in steps:
        show(step.text)
        if step.command and all(word.isprintable() for word in step.command):
            for line in shell_lines(as_called(step.command), step.target, width):
                console.print(line, style="cyan", markup=False, soft_wrap=True)


def _rows(report: Manifest, options: RunOptions, with_data: bool) -> Iterator[tuple[str, str, str]]:
    """Yields the rows of the summary: a name, a count and a text."""

    def row(name: str, count: int | None, text: str) -> tuple[str, str, str]:
        return name, "" if count is None else f"{count:,}", text

    speed = duration_text(report.duration_seconds)
    if report.duration_seconds >= _RATE_SECONDS:
        speed += f", {report.events_per_second:,} events/s"
    yield row("read", report.read, speed)
    if report.run_before is not None:
        yield row("the run before", report.run_before.read, _compared(report, report.run_before))
    if report.skipped_inputs or report.changed_inputs:
        changed = f"{report.changed_inputs:,} changed, read again" if report.changed_inputs else ""
        text = f"read by earlier runs; {changed}".rstrip("; ")
        yield row("skipped files", report.skipped_inputs, text)
    yield row("written", report.written, _counts(report.by_value, _MAX_NAMES))
    if len(report.by_record_type) > 1:
        yield row("", None, _counts(report.by_record_type, _MAX_NAMES))
    yield row("dead-lettered", report.dead_lettered, _counts(report.by_error_code, _MAX_NAMES))
    types = _counts(report.ignored_by_type, _MAX_DATA_NAMES) if with_data else ""
    yield row("ignored", report.ignored, types)
    without_rule = report.by_derivation.get("unmapped", 0)
    unmapped = max(without_rule, report.by_value.get("unmapped_value", 0))
    texts = [
        (f"{_name(each.source_value)} of {_name(each.provider or 'no provider')}", each.count)
        for each in report.unmapped
    ]
    text = _listed(texts, _MAX_DATA_NAMES) if with_data else ""
    if unmapped > without_rule:
        split = (
            f"{without_rule:,} without a rule, {unmapped - without_rule:,} mapped to unmapped_value"
        )
        text = f"{split}: {text}" if text else split
    yield row("unmapped", unmapped, text)
    accounts = _counts(report.accounts_without_provider, _MAX_DATA_NAMES) if with_data else ""
    without_provider = sum(report.accounts_without_provider.values())
    unknown = _counts(report.providers_without_table, _MAX_DATA_NAMES) if with_data else ""
    for name, count, text in (
        ("no provider", without_provider, accounts and f"accounts: {accounts}"),
        ("no table", sum(report.providers_without_table.values()), unknown),
        ("no job id", report.without_job_id, NO_ID),
        ("no status", report.by_derivation.get("absent", 0), f"{NO_STATUS}; {_ONLY_IDS}"),
        ("no time", report.by_day.get(NO_NAME, 0), _NO_TIME),
    ):
        if count:
            yield row(name, count, text)
    if report.assumed_timezone:
        text = f"timestamps without an offset, in {options.assume_timezone}"
        yield row("assumed zone", report.assumed_timezone, text)
    for output in ("job_status", "dead_letter"):
        files = [file for file in report.files if file.output == output]
        if files:
            size = size_text(sum(file.bytes for file in files))
            directory = os.path.dirname(files[0].path)
            yield row(output, None, f"{counted(len(files), 'file')}, {size}, in {directory}")
    if options.report is not None:
        yield row("report", None, options.report)


def _compared(report: Manifest, before: RunBefore) -> str:
    unmapped = next(each for each in before.shares if each.name == "unmapped")
    letters = [_share_of_letters(run) for run in (before, report)]
    return (
        f"unmapped {share_text(unmapped.before)}, now {share_text(unmapped.now)}; "
        f"dead letters {share_text(letters[0])}, now {share_text(letters[1])}"
    )


def _share_of_letters(run: Manifest | RunBefore) -> float:
    return run.dead_lettered / max(run.written + run.dead_lettered, 1)


def _name(text: str) -> str:
    return shortened(text, _LONGEST_NAME)


def _counts(counts: Counts, max_names: int) -> str:
    return _listed([(_name(name), count) for name, count in counts.items()], max_names)


def _listed(counts: Sequence[tuple[str, int]], max_names: int) -> str:
    shown = [f"{name} {count:,}".replace(" ", NO_BREAK) for name, count in counts[:max_names]]
    more = len(counts) - len(shown)
    return ", ".join([*shown, f"and {more:,} more"] if more else shown)
