"""What a run says at its end: the report file, and a summary for people."""

from __future__ import annotations

import os

from msgspec.structs import replace
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from schemas.errors import OutputError
from schemas.manifest import Manifest
from transforms import storage
from transforms.manifests import full_path

_MOST_UNMAPPED_SHOWN = 5
_WIDTH = 80


def report_of(output: str, manifest: Manifest) -> Manifest:
    """The report of a run: its manifest, with the paths of files in full."""
    files = [replace(file, path=full_path(output, file.path)) for file in manifest.files]
    consumed = [full_path(output, path) for path in manifest.consumed]
    return replace(manifest, files=files, consumed=consumed)


def write_report(path: str, report: Manifest) -> None:
    """Writes the report file.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        storage.write(storage.normal(path), report.to_json())
    except OutputError as error:
        raise OutputError(
            f"everything was committed, but not the report: {error.message}",
            "the manifest in the output holds the same",
        ) from error


def print_summary(report: Manifest, console: Console) -> None:
    """Prints a summary; what stands in the data itself, names of types too, only on a terminal."""
    table = Table(box=None, show_header=False, pad_edge=False, width=_WIDTH)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    speed = f"{report.duration_seconds:.1f} s, {report.events_per_second:,} events/s"
    table.add_row("read", f"{report.read:,}", speed)
    table.add_row("written", f"{report.written:,}", _counts(report.by_value))
    table.add_row("dead-lettered", f"{report.dead_lettered:,}", _counts(report.by_error_code))
    types = _counts(report.ignored_by_type) if console.is_terminal else ""
    table.add_row("ignored", f"{report.ignored:,}", escape(types))
    unmapped = report.by_derivation.get("unmapped", 0)
    shown = ""
    if console.is_terminal:
        shown = ", ".join(
            f"{row.source_value!r} of {row.provider or 'nobody'} {row.count:,}"
            for row in report.unmapped[:_MOST_UNMAPPED_SHOWN]
        )
    table.add_row("unmapped", f"{unmapped:,}", escape(shown))
    console.print(table)
    for name in ("job_status", "dead_letter"):
        paths = [file.path for file in report.files if file.output == name]
        if paths:
            directory = os.path.dirname(paths[0])
            count = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
            console.print(f"[bold]{name}[/bold]  {count} in {escape(directory)}", soft_wrap=True)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
