"""Renders the report of a run as one HTML file without scripts, fonts or network access."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report import (
    counted,
    duration_text,
    printable,
    share_text,
    shortened,
    size_text,
    time_text,
)
from pipeline.report.html import view
from pipeline.report.html.day_bins import day_bins
from pipeline.report.html.details import PageDetails, command_text
from schemas.manifest import Manifest


def _finalize(value: Any) -> Any:
    # Markup, a subclass of str, is the output of a macro: its texts are printable already.
    return printable(value) if type(value) is str else value


_environment = Environment(
    loader=PackageLoader("pipeline.report.html", ""),
    autoescape=True,
    finalize=_finalize,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "anchor": view.anchor,
    "by_share": view.by_share,
    "command_text": command_text,
    "counted": counted,
    "duration_text": duration_text,
    "time_text": time_text,
    "time_top": view.time_top,
    "number": "{:,}".format,
    "percent": view.percent,
    "share": view.share,
    "share_text": share_text,
    "shortened": shortened,
    "size_text": size_text,
}


def report_page(report: Manifest, details: PageDetails) -> str:
    """Returns the page as the text of an HTML file.

    Every text of the report is escaped. Characters that are not printable are shown as escape
    sequences.
    """
    checks = report.balance()
    derivation_styles = {"unmapped": "unmapped_value", "absent": "none"}
    return _environment.get_template("page.html.jinja").render(
        report=report,
        details=details,
        checks=checks,
        is_balanced=report.conserved and all(check.holds for check in checks),
        outcomes=[
            view.Part("written", report.written, "fill-good"),
            view.Part("dead-lettered", report.dead_lettered, "fill-bad"),
            view.Part("ignored", report.ignored, "fill-muted"),
        ],
        value_parts=view.value_parts(report.by_value),
        values=view.value_rows(report.by_value),
        derivations=view.count_rows(report.by_derivation, "accent", derivation_styles),
        providers=view.provider_rows(report.by_provider),
        unmapped_providers=view.unmapped_rows(report.by_provider),
        accounts=view.account_rows(report.accounts_without_provider),
        unknown_providers=view.count_rows(report.providers_without_table, "accent"),
        time=day_bins(report.by_day),
        source_value_types=view.count_rows(report.by_source_value_type, "accent"),
        error_codes=view.count_rows(report.by_error_code, "fill-bad"),
        ignored_types=view.count_rows(report.ignored_by_type, "fill-muted"),
        unreadable=view.shape_rows(report.unreadable_by_field),
        inputs=sorted(report.inputs, key=lambda each: not each.damaged),
    )
