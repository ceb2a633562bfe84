"""Shows an inspection as JSON, or as tables for people."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline.inspect.inspection import Inspection
from pipeline.report import SafeConsole, shortened
from transforms.storage import relative_path

_COUNTS = (
    *("by_record_type", "by_value", "by_provider", "by_error_code", "dead_letters_by_provider"),
)
_MAX_COUNTS = 15
_MAX_CHARACTERS = 60
_PIPED_WIDTH = 140

_ROW_FIELDS = {
    "job_status.JobStatusEvent": "event_time record_type provider job_id job_status.value "
    "job_status.source_value job_status.derivation",
    "job_status.DeadLetter": "error_code step error_path source_offset payload_size",
}
"""The columns of rows by schema; of other schemas, all fields are shown."""


def print_json(found: Inspection) -> None:
    """Prints an inspection as JSON to stdout."""
    bad = {finding.path for finding in found.findings}
    counts = ("committed_at", "read", "written", "dead_lettered", "ignored")
    shown = {
        "ok": not found.findings,
        "output": found.output,
        "problems": [
            {"path": each.path, "problem": each.problem, "missing_records": each.missing}
            for each in found.findings
        ],
        "runs": [
            {"run_id": run.run_id, "manifest": path} | {name: getattr(run, name) for name in counts}
            for path, run in found.runs.items()
        ],
        "files": [
            {
                "path": content.path,
                "ok": content.path not in bad,
                "schema": content.schema,
                "codec": content.codec,
                "records": content.records,
                "expected_records": getattr(found.committed.get(content.path), "records", None),
                "blocks": content.blocks,
                "bytes": content.size,
                "sha256": content.sha256,
                **content.metadata,
            }
            for content in found.contents
        ],
        "notes": found.notes,
        **{name: _total(found, name) for name in _COUNTS},
        "rows": found.rows,
    }
    json.dump(shown, sys.stdout, indent=2, default=_text)
    sys.stdout.write("\n")


def _total(found: Inspection, name: str) -> dict[str, int]:
    total = sum((getattr(content, name) for content in found.contents), Counter[str]())
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def print_tables(found: Inspection) -> None:
    """Prints an inspection for people to stdout."""
    console = SafeConsole(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    for run in found.runs.values():
        console.print(
            f"run {run.run_id}, committed {run.committed_at}: "
            f"read {run.read:,}, written {run.written:,}, "
            f"dead-lettered {run.dead_lettered:,}, ignored {run.ignored:,}",
            soft_wrap=True,
            markup=False,
        )
    console.print(_file_table(found))
    for name in _COUNTS:
        counts = list(_total(found, name).items())
        if counts:
            shown = ", ".join(f"{_cell(key)} {n:,}" for key, n in counts[:_MAX_COUNTS])
            more = len(counts) - _MAX_COUNTS
            shown += f", and {more} more" if more > 0 else ""
            console.print(f"[bold]{name.replace('_', ' ')}[/]  {shown}", soft_wrap=True)
    for schema, rows in found.rows.items():
        if rows:
            console.print(_row_table(schema, rows))
    for finding in found.findings:
        console.print(f"{finding.path} {finding.problem}", soft_wrap=True, markup=False)


def _file_table(found: Inspection) -> Table:
    bad = {finding.path for finding in found.findings}
    table = _table("records", "bytes", "codec", "schema", "", "file", numbers=2)
    for content in found.contents:
        version = content.metadata.get("schema_version")
        schema = content.schema + (f" version {version}" if version else "")
        state = "[red]BAD[/]" if content.path in bad else "[green]ok[/]"
        path = content.path if found.output is None else relative_path(found.output, content.path)
        numbers = (f"{content.records:,}", f"{content.size:,}")
        cells = (_cell(content.codec), _cell(schema), state, escape(path))
        table.add_row(*numbers, *cells)
    return table


def _row_table(schema: str, rows: list[dict[str, Any]]) -> Table:
    fields = _ROW_FIELDS.get(schema, "").split()
    table = _table(*(name.rpartition(".")[2] for name in fields or rows[0]))
    for row in rows:
        values = [_value_at(row, *name.split(".")) for name in fields] or row.values()
        table.add_row(*map(_cell, values))
    return table


def _value_at(record: Any, name: str, *names: str) -> Any:
    return _value_at(record[name], *names) if names else record[name]


def _table(*columns: str, numbers: int = 0) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        justify: Any = "right" if number < numbers else "left"
        table.add_column(escape(column), justify=justify, overflow="fold")
    return table


def _cell(value: Any) -> str:
    return "[dim]null[/]" if value is None else escape(shortened(_text(value), _MAX_CHARACTERS))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if isinstance(value, datetime) else str(value)
