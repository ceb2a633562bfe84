"""`job-status inspect`: what is in an output or a file, and whether it is what was committed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.inspect.verify import (
    Content,
    Finding,
    check_counts,
    compare,
    content_of,
    first_rows,
    inspection_error,
)
from pipeline.options import CommandParser, beam_parser
from pipeline.report import printable
from schemas.errors import ForeignPathError, InputError, OutputError, UsageError
from schemas.manifest import Manifest, OutputFile
from transforms.storage import (
    PENDING,
    file_paths,
    filesystem,
    full_path,
    is_below,
    manifest_directory,
    manifest_files,
    read_intent,
    refuse_links_in,
)
from transforms.storage.manifests import read_manifests

_OUTPUTS = ("job_status", "dead_letter")
_AVRO = ".avro"
_MOST_SHOWN = 15
_MOST_CHARACTERS = 60
_PIPED_WIDTH = 140
_ROW_COLUMNS: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
    "event_time provider job_id value source_value derivation": lambda row: [
        row["event_time"],
        row["provider"],
        row["job_id"],
        row["job_status"]["value"],
        row["job_status"]["source_value"],
        row["job_status"]["derivation"],
    ],
    "error_code step error_path source_offset payload_size": lambda row: [
        row["error_code"],
        row["step"],
        row["error_path"],
        row["source_offset"],
        row["payload_size"],
    ],
}
_COLUMNS_OF = dict(
    zip(("job_status.JobStatusEvent", "job_status.DeadLetter"), _ROW_COLUMNS, strict=True)
)


@dataclass
class Inspection:
    """What was found.

    Attributes:
        output: The output's directory, or None where no manifest belongs to what was looked at.
        runs: By the paths of their manifests.
        contents: Of the files that are there, in the order of their paths.
        expected: Records that the manifests say, by path.
        findings: What is not as it was committed.
        rows: The first records, by schema.
    """

    output: str | None
    runs: dict[str, Manifest] = field(default_factory=dict)
    contents: list[Content] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def inspect(arguments: Sequence[str], console: Console) -> None:
    """Runs `inspect`; results go to stdout.

    Raises:
        JobStatusError: Something is not as it was committed.
    """
    options, beam_arguments = _parse(arguments)
    FileSystems.set_options(PipelineOptions(beam_arguments))
    found = inspection_of(file_paths.normal(options.path), options.rows)
    if options.json:
        json.dump(_as_json(found), sys.stdout, indent=2, ensure_ascii=False, default=_json_value)
        sys.stdout.write("\n")
    else:
        _print(found)
    if found.output is None and not found.findings:
        console.print(
            "no manifest belongs to this: a file that is cut between two blocks, or missing, "
            "would not be noticed",
            soft_wrap=True,
        )
    if found.findings:
        raise inspection_error(found.findings)


def _parse(arguments: Sequence[str]) -> tuple[Any, list[str]]:
    parser = CommandParser(
        prog="job-status inspect",
        description="Shows what an output, a manifest or an Avro file holds, and checks it "
        "against what was committed. Exit code 1 where they differ. What it shows holds "
        "values of the data. Options of Beam's filesystems are accepted too.",
        allow_abbrev=False,
    )
    parser.add_argument("path", metavar="PATH", help="output directory, manifest or Avro file")
    parser.add_argument("--json", action="store_true", help="everything as JSON, rows in full")
    parser.add_argument("--rows", type=int, default=5, help="first rows to show (default: 5)")
    options, rest = parser.parse_known_args(list(arguments))
    unknown = beam_parser().parse_known_args(rest)[1] if rest else []
    if unknown:
        raise UsageError(f"unknown argument {unknown[0]}", "job-status inspect --help shows all")
    if options.rows < 0:
        raise UsageError(f"--rows is {options.rows}, but must be at least 0")
    return options, rest


def inspection_of(path: str, rows: int) -> Inspection:
    """Reads everything at a path and compares it with its manifests.

    Args:
        path: An output's directory, one of the directories in it, a manifest, or a file.
        rows: How many first records to keep for each schema.

    Raises:
        InputError: There is nothing to look at.
    """
    root, wanted, run = _target(path)
    found = Inspection(None)
    listed: list[tuple[str, OutputFile]] = []
    ignored: set[str] = set()
    if root is not None:
        ignored = _take_runs(found, root, run)
        listed = [
            (place, file)
            for manifest in found.runs.values()
            for file in manifest.files
            if wanted(place := full_path(root, file.path))
        ]
        found.output = root
    found.expected = {place: file.records for place, file in listed}
    there = _there(found, path, wanted)
    # When one run is looked at, the files of others are nobody's business.
    ours = found.expected.keys() if run is not None else there - ignored
    paths = sorted(there & (ours | found.expected.keys()))
    found.contents = [content_of(each) for each in paths]
    if not found.contents and not listed:
        raise InputError(
            f"there is nothing to inspect at {path}",
            "give the directory of an output, one of its manifests, or an Avro file",
        )
    _check(found, listed, is_whole_run=wanted is _everything)
    for content in found.contents:
        kept = found.rows.setdefault(content.schema, [])
        if content.schema and len(kept) < rows:
            kept += first_rows(content.path, rows - len(kept))
    return found


def _everything(_: str) -> bool:
    return True


def _target(path: str) -> tuple[str | None, Callable[[str], bool], str | None]:
    """The output that a path belongs to, which of its files are meant, and the manifest."""
    if path.endswith(".json"):
        if not filesystem.exists(path):
            raise InputError(f"there is no manifest {path}")
        return _parent(_parent(path)), _everything, path
    path = path.rstrip("/")
    if path.endswith(_AVRO):
        return _output_of(_parent(path)), lambda file: file == path, None
    if manifest_files(path):
        return path, _everything, None
    return _output_of(path), lambda file: file.startswith(f"{path}/"), None


def _output_of(directory: str) -> str | None:
    """The output whose files lie right in a directory."""
    output = _parent(directory)
    is_one = directory.rpartition("/")[2] in _OUTPUTS
    return output if is_one and manifest_files(output) else None


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _take_runs(found: Inspection, root: str, run: str | None) -> set[str]:
    """Takes down the runs that count, and returns files that belong to none of them by intent."""
    ignored: set[str] = set()
    replaced: set[str] = set()
    for path, _ in manifest_files(root):
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is None:
            continue
        problem = "a run was interrupted while committing; the next run completes it"
        found.findings.append(Finding(path, problem))
        replaced.update(full_path(root, each) for each in intent.manifest.replaces)
        ignored.update(full_path(root, file.path) for file in intent.manifest.files)
    try:
        for path, manifest in read_manifests(root):
            if path in replaced or run not in (None, path):
                ignored.update(full_path(root, file.path) for file in manifest.files)
            else:
                found.runs[path] = manifest
    except ForeignPathError:
        raise
    except OutputError as error:
        found.findings.append(Finding(manifest_directory(root), f"cannot be used: {error.message}"))
    if run is not None and run not in found.runs and run not in replaced:
        raise InputError(f"{run} is not a manifest of an output")
    return ignored


def _there(found: Inspection, path: str, wanted: Callable[[str], bool]) -> set[str]:
    """The Avro files that are there; of those outside the output, the ones that a manifest lists.

    Raises:
        ForeignPathError: There is a symbolic link in the output.
    """
    output = found.output
    if path.endswith(_AVRO) and output is None:
        return {path} if filesystem.exists(path) else set()
    places = {path}
    if output is not None:
        places = {file_paths.join(output, name) for name in _OUTPUTS}
        places.update(_parent(each) for each in found.expected)
        for place in places:
            if is_below(output, place):
                refuse_links_in(output, place)
    files = {file.path for place in places for file in filesystem.list_files(place)}
    return {
        file
        for file in files
        if file.endswith(_AVRO)
        and wanted(file)
        and (output is None or is_below(output, file) or file in found.expected)
    }


def _check(found: Inspection, listed: list[tuple[str, OutputFile]], is_whole_run: bool) -> None:
    by_path = {content.path: content for content in found.contents}
    found.findings += compare(listed, by_path)
    bad = {finding.path for finding in found.findings}
    for content in found.contents:
        if content.path in found.expected:
            continue
        if content.damage is not None:
            found.findings.append(Finding(content.path, content.damage))
        elif found.output is not None:
            problem = f"is in no manifest; its {content.records:,} records belong to no run"
            found.findings.append(Finding(content.path, problem))
    if not is_whole_run or found.output is None:
        return
    for manifest in found.runs.values():
        paths = {full_path(found.output, file.path) for file in manifest.files}
        if not paths & bad:
            contents = [by_path[path] for path in paths if path in by_path]
            found.findings += check_counts(manifest, contents)


def _as_json(found: Inspection) -> dict[str, Any]:
    problems = {finding.path: finding for finding in found.findings}
    return {
        "ok": not found.findings,
        "output": found.output,
        "problems": [
            {"path": each.path, "problem": each.problem, "missing_records": each.missing}
            for each in found.findings
        ],
        "runs": [
            {
                "run_id": manifest.run_id,
                "manifest": path,
                "committed_at": manifest.committed_at,
                "read": manifest.read,
                "written": manifest.written,
                "dead_lettered": manifest.dead_lettered,
                "ignored": manifest.ignored,
            }
            for path, manifest in found.runs.items()
        ],
        "files": [
            {
                "path": content.path,
                "ok": content.path not in problems,
                "schema": content.schema,
                "codec": content.codec,
                "records": content.records,
                "expected_records": found.expected.get(content.path),
                "blocks": content.blocks,
                "bytes": content.size,
                "sha256": content.sha256,
                **content.metadata,
            }
            for content in found.contents
        ],
        "by_value": _total(found, "by_value"),
        "by_provider": _total(found, "by_provider"),
        "by_error_code": _total(found, "by_error_code"),
        "rows": found.rows,
    }


def _total(found: Inspection, name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for content in found.contents:
        total.update(getattr(content, name))
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _json_value(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _print(found: Inspection) -> None:
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    for manifest in found.runs.values():
        console.print(
            f"run {printable(manifest.run_id)}, committed {printable(manifest.committed_at)}: "
            f"read {manifest.read:,}, written {manifest.written:,}, "
            f"dead-lettered {manifest.dead_lettered:,}, ignored {manifest.ignored:,}",
            soft_wrap=True,
            markup=False,
        )
    problems = {finding.path for finding in found.findings}
    table = _table("records", "bytes", "codec", "schema", "", "file", numbers=2)
    for content in found.contents:
        version = content.metadata.get("schema_version")
        schema = content.schema + (f" version {version}" if version else "")
        told = "[red]BAD[/]" if content.path in problems else "[green]ok[/]"
        shown = content.path
        if found.output is not None:
            shown = shown.removeprefix(f"{found.output}/")
        numbers = (f"{content.records:,}", f"{content.size:,}")
        table.add_row(*numbers, _cell(content.codec), _cell(schema), told, _cell(shown, None))
    console.print(table)
    for name in ("by_value", "by_provider", "by_error_code"):
        counts = _total(found, name)
        if counts:
            shown = ", ".join(f"{_cell(key)} {n:,}" for key, n in [*counts.items()][:_MOST_SHOWN])
            more = len(counts) - _MOST_SHOWN
            shown += f", and {more} more" if more > 0 else ""
            console.print(f"[bold]{name.replace('_', ' ')}[/]  {shown}", soft_wrap=True)
    for schema, rows in found.rows.items():
        if rows:
            console.print(_rows(schema, rows))
    for finding in found.findings:
        console.print(f"{finding.path} {finding.problem}", soft_wrap=True, markup=False)


def _rows(schema: str, rows: list[dict[str, Any]]) -> Table:
    columns = _COLUMNS_OF.get(schema)
    if columns is None:
        table = _table(*rows[0])
        for row in rows:
            table.add_row(*(_cell(value) for value in row.values()))
        return table
    table = _table(*columns.split())
    for row in rows:
        table.add_row(*(_cell(value) for value in _ROW_COLUMNS[columns](row)))
    return table


def _table(*columns: str, numbers: int = 0) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        right = number < numbers
        table.add_column(escape(column), justify="right" if right else "left", overflow="fold")
    return table


def _cell(value: Any, most: int | None = _MOST_CHARACTERS) -> str:
    if value is None:
        return "[dim]null[/]"
    text = printable(_json_value(value) if not isinstance(value, str) else value)
    return escape(text if most is None or len(text) <= most else text[: most - 1] + "…")
