"""The sections of the report page on what was read, refused and written, and by whom."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from pipeline.report import counted, duration_text, moment, shortened, size_text
from pipeline.report.html.charts import Part, Row, bar_rows
from pipeline.report.html.elements import Child, element
from pipeline.report.html.layout import Column, badge, facts, folded, long_table, muted, section
from schemas.manifest import Manifest

_LONGEST_NAME = 80
_SHOWN_TYPES = 10

_ERROR_CODES: Final = {
    "INVALID_UTF8": "the bytes are not UTF-8",
    "INVALID_JSON": "the text is not JSON",
    "NOT_AN_EVENT": "neither an envelope, a page nor a job",
    "WRONG_TYPE": "a field holds another type than it must",
    "TOO_LARGE": "over the limit of size",
    "TOO_DEEP": "nested too deep",
    "LONE_SURROGATE": "an escape is half a character",
    "SCHEMA_VIOLATION": "does not fit the schema of the output",
    "INTERNAL": "met a bug of job-status",
}


def dead_letters(report: Manifest) -> Element:
    """What became dead letters, by error code."""
    title = "Dead letters"
    if not report.by_error_code:
        return section(title, None, muted("There are none."))
    rows = [
        Row(name, [Part(name, count, "fill-bad")], _ERROR_CODES.get(name))
        for name, count in report.by_error_code.items()
    ]
    chart = bar_rows("Dead letters by error code", "Error code", rows, report.dead_lettered)
    return section(title, None, chart)


def ignored(report: Manifest) -> Element:
    """What was ignored, by type of event."""
    title = "Ignored"
    if not report.ignored_by_type:
        return section(title, None, muted("There are no events of other types."))
    rows = [
        Row(shortened(name, _LONGEST_NAME), [Part(name, count, "fill-muted")])
        for name, count in report.ignored_by_type.items()
    ]
    caption = "Ignored events by type"
    content = [bar_rows(caption, "Type", rows[:_SHOWN_TYPES], report.ignored)]
    if len(rows) > _SHOWN_TYPES:
        more = bar_rows(f"{caption}, continued", "Type", rows[_SHOWN_TYPES:], report.ignored)
        content.append(folded(counted(len(rows) - _SHOWN_TYPES, "more type"), more))
    return section(title, None, *content)


def inputs(report: Manifest) -> Element:
    """The inputs, damaged ones first."""
    if not report.inputs:
        text = "No file: the events came as messages." if report.read else "There are none."
        return section("Inputs", None, muted(text))
    rows = [
        (
            _path(each.path),
            badge("damaged", "bad") if each.damaged else None,
            size_text(each.bytes),
        )
        for each in sorted(report.inputs, key=lambda each: not each.damaged)
    ]
    heads = [Column("File"), Column(""), Column("Size", "number")]
    size = size_text(sum(each.bytes for each in report.inputs))
    about = f"{counted(len(rows), 'file')}, {size}."
    return section("Inputs", about, *long_table("Inputs", heads, rows, "input"))


def output_files(report: Manifest) -> Element:
    """The files that were committed."""
    if not report.files:
        return section("Files", None, muted("There are none."))
    rows = [
        (_path(each.path), each.output, f"{each.records:,}", size_text(each.bytes))
        for each in report.files
    ]
    heads = [
        Column("File"),
        Column("Output"),
        Column("Records", "number"),
        Column("Size", "number"),
    ]
    size = size_text(sum(each.bytes for each in report.files))
    about = f"{counted(len(rows), 'file')}, {size}."
    return section("Files", about, *long_table("Files", heads, rows, "file"))


def _path(path: str) -> Element:
    return element("span", path, class_="text")


def run_facts(report: Manifest) -> Element:
    """What made the output."""
    rows: list[tuple[str, Child]] = [
        ("Run", report.run_id),
        ("Committed at", moment(report.committed_at)),
        ("Duration", duration_text(report.duration_seconds)),
        ("job-status", report.pipeline_version),
        (
            "Schema",
            report.schema_fingerprint
            and f"version {report.schema_version}, {report.schema_fingerprint}",
        ),
        ("Mapping", report.mapping_fingerprint),
        ("Unreadable timestamps", f"{report.unreadable_timestamps:,}"),
    ]
    for name, paths in (
        ("Took the place of", report.replaces),
        ("Replayed", report.consumed),
    ):
        if paths:
            rows.append((name, folded(counted(len(paths), "file"), *map(_line, paths))))
    return section("The run", None, facts([row for row in rows if row[1]]))


def _line(path: str) -> Element:
    return element("div", _path(path))
