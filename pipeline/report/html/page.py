"""The report of a run as one page that needs nothing else: no script, no network, no font."""

from __future__ import annotations

from importlib.resources import files
from xml.etree.ElementTree import Element

from pipeline.report import counted, duration_text, moment
from pipeline.report.html.charts import Part, bar, legend, share
from pipeline.report.html.elements import document, element, style_sheet
from pipeline.report.html.layout import Column, badge, code, folded, pair, section, table
from pipeline.report.html.sources import dead_letters, ignored, inputs, output_files, run_facts
from pipeline.report.html.statuses import (
    by_derivation,
    by_provider,
    by_type,
    by_value,
    over_time,
    unmapped,
)
from schemas.manifest import Manifest

_LONG = 10_000_000
"""From here on a number has less room than the others."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Even if a text became more than a text, a browser would load and run nothing."""


def page(report: Manifest) -> str:
    """The whole page, as the text of one HTML file."""
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"job-status run {report.run_id}"),
        style_sheet(style),
    )
    main = element(
        "main",
        _tiles(report),
        _books(report),
        pair(by_value(report), by_derivation(report)),
        by_provider(report),
        pair(over_time(report), by_type(report)),
        unmapped(report),
        pair(dead_letters(report), ignored(report)),
        inputs(report),
        output_files(report),
        run_facts(report),
    )
    warning = "Names and texts come from the data: treat this page as you treat the output."
    footer = element("footer", element("p", warning))
    return document(
        element("html", head, element("body", _header(report), main, footer), lang="en")
    )


def _header(report: Manifest) -> Element:
    damaged = sum(each.damaged for each in report.inputs)
    unmapped = _unmapped_count(report)
    badges = [badge("✓ the ledger balances", "good")]
    if not _is_balanced(report):
        badges = [badge("✗ the ledger does not balance", "bad")]
    if damaged:
        badges.append(badge(f"✗ {counted(damaged, 'damaged input')}", "bad"))
    if report.dead_lettered:
        badges.append(badge(counted(report.dead_lettered, "dead letter"), "warn"))
    if unmapped:
        badges.append(badge(f"{unmapped:,} unmapped", "warn"))
    committed = f", committed {moment(report.committed_at)}" if report.committed_at else None
    return element(
        "header",
        element("h1", "job-status run"),
        element("p", code(report.run_id), committed, class_="muted"),
        element("div", *badges),
    )


def _unmapped_count(report: Manifest) -> int:
    return report.by_derivation.get("unmapped", 0)


def _tiles(report: Manifest) -> Element:
    unmapped = _unmapped_count(report)
    read, written = report.read, report.written
    tiles = (
        ("Read", read, f"from {counted(len(report.inputs), 'input')}" if report.inputs else ""),
        ("Written", written, share(written, read)),
        ("Dead letters", report.dead_lettered, share(report.dead_lettered, read)),
        ("Ignored", report.ignored, share(report.ignored, read)),
        ("Unmapped", unmapped, f"{share(unmapped, written)} of written" if written else ""),
        ("Events a second", report.events_per_second, duration_text(report.duration_seconds)),
    )
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", name),
                element(
                    "dd",
                    element("span", f"{count:,}", class_="long" if count >= _LONG else None),
                    element("small", about),
                ),
            )
            for name, count, about in tiles
        ),
        class_="tiles",
    )


def _books(report: Manifest) -> Element:
    parts = [
        Part("written", report.written, "fill-good"),
        Part("dead-lettered", report.dead_lettered, "fill-bad"),
        Part("ignored", report.ignored, "fill-muted"),
    ]
    whole = sum(part.count for part in parts)
    found = report.balance()
    hold = sum(each.holds for each in found)
    places = " + ".join(f"{part.count:,} {part.name}" for part in parts)
    rows = [
        (each.text, f"{each.expected:,}", f"{each.found:,}", _mark(each.holds)) for each in found
    ]
    heads = [Column("What"), Column("Number", "number"), Column("Counted", "number"), Column("")]
    return section(
        "Where every event went",
        "Each event that was read ends in exactly one place.",
        element("p", f"{report.read:,} read = {places}", class_="equation"),
        element("div", bar(parts, whole), class_="flow") if whole else None,
        legend(parts) if whole else None,
        folded(f"{hold} of {len(found)} checks hold", table("Checks", heads, rows)),
    )


def _mark(holds: bool) -> Element:
    return element("span", "✓ equal", class_="good") if holds else badge("✗ differs", "bad")


def _is_balanced(report: Manifest) -> bool:
    return report.conserved and all(check.holds for check in report.balance())
