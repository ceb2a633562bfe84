"""The sections of the report page on statuses: values, where they came from, and when."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from pipeline.report import counted, shortened
from pipeline.report.html.charts import Part, Row, bar_rows, columns, legend, share_rows
from pipeline.report.html.day_bins import day_bins
from pipeline.report.html.elements import Child, element
from pipeline.report.html.layout import SHOWN, Column, folded, long_table, muted, section, table
from schemas.counts import MAX_PROVIDERS, OTHER, Counts
from schemas.manifest import Manifest

_VALUES = (
    *("open", "published", "internal", "pending", "draft", "on_hold", "closed", "archived"),
    *("deleted", "unmapped_value"),
)
"""As a job goes through them; the colours of the style sheet have these names."""

_DERIVATION_STYLES: Final = {"unmapped": "unmapped_value", "absent": "none"}

_NULL = "null"
_LONGEST_NAME = 80

_DERIVATIONS: Final = {
    "given": "the event gave the value itself",
    "provider_rule": "by a rule for its provider",
    "global_rule": "by a rule for everybody",
    "event_type": "by the type of the event",
    "unmapped": "said something that no rule knows",
    "absent": "said nothing",
}


def _value_parts(counts: Counts) -> list[Part]:
    known = [(name, counts[name]) for name in (*_VALUES, _NULL) if name in counts]
    others = [(name, count) for name, count in counts.items() if name not in (*_VALUES, _NULL)]
    return [
        Part("no value" if name == _NULL else name, count, _style(name))
        for name, count in known + others
    ]


def _style(value: str) -> str:
    return value if value in _VALUES else "none" if value == _NULL else "more"


def _chart(report: Manifest, title: str, about: str | None, *content: Child) -> Element:
    """A section on what was written, or that nothing was."""
    if not report.written:
        return section(title, None, muted("No event was written."))
    return section(title, about, *content)


def by_value(report: Manifest) -> Element:
    """What the statuses came to."""
    rows = [Row(part.name, [part]) for part in _value_parts(report.by_value)]
    about = "What the statuses of the jobs came to."
    chart = bar_rows("Events by value", "Value", _ranked(rows), report.written)
    return _chart(report, "Values", about, chart)


def _ranked(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row.count)


def by_provider(report: Manifest) -> Element:
    """What they came to at each provider."""
    rows = [
        Row(_provider(name, report), _value_parts(counts))
        for name, counts in report.by_provider.items()
    ]
    caption = "Values by provider"
    content: list[Child] = [
        legend(_value_parts(report.by_value)),
        share_rows(caption, "Provider", rows[:SHOWN], report.written),
    ]
    if len(rows) > SHOWN:
        more = share_rows(f"{caption}, continued", "Provider", rows[SHOWN:], report.written)
        content.append(folded(counted(len(rows) - SHOWN, "more provider"), more))
    content.append(folded("The figures", *_value_matrix(report)))
    about = "Each bar is all of a provider's events; names as they came."
    return _chart(report, "Values by provider", about, *content)


def _provider(name: str, report: Manifest) -> str:
    """The name of a tally; a provider may bear the name of those that were counted together."""
    if name == _NULL:
        return "no provider"
    if name == OTHER and len(report.by_provider) > MAX_PROVIDERS:
        return "all others"
    return shortened(name, _LONGEST_NAME)


def _value_matrix(report: Manifest) -> list[Element]:
    values = [name for name in (*_VALUES, _NULL) if name in report.by_value]
    values += [name for name in report.by_value if name not in values]
    heads = [Column("Provider")]
    heads += [Column("no value" if each == _NULL else each, "number") for each in values]
    rows = [
        [
            _provider(name, report),
            *(f"{counts[each]:,}" if each in counts else "" for each in values),
        ]
        for name, counts in report.by_provider.items()
    ]
    return [element("div", table("Events by provider and value", heads, rows), class_="wide")]


def by_derivation(report: Manifest) -> Element:
    """How the values were found."""
    rows = [
        Row(name, [Part(name, count, _DERIVATION_STYLES.get(name, "accent"))], about)
        for name, count in report.by_derivation.items()
        for about in [_DERIVATIONS.get(name)]
    ]
    chart = bar_rows("Events by derivation", "Derivation", rows, report.written)
    return _chart(report, "How values were found", None, chart)


def by_type(report: Manifest) -> Element:
    """What the source values were."""
    rows = [
        Row(name, [Part(name, count, "accent")])
        for name, count in report.by_source_value_type.items()
    ]
    chart = bar_rows("Events by type of source value", "JSON type", rows, report.written)
    return _chart(report, "Types of source values", None, chart)


def over_time(report: Manifest) -> Element:
    """When the events were."""
    title, about = "Events over time", "Written events by the day of their time, in UTC."
    bins = day_bins(report.by_day)
    left = []
    if without := report.by_day.get(_NULL, 0):
        left.append(f"{counted(without, 'event')} without a time")
    if others := report.by_day.get(OTHER, 0):
        left.append(f"{counted(others, 'event')} on further days than are counted one by one")
    if bins is None:
        return _chart(report, title, about, muted("No event has a time."))
    if bins.before:
        left.append(f"{counted(bins.before, 'event')} before {bins.bins[0].label}")
    if bins.after:
        left.append(f"{counted(bins.after, 'event')} after {bins.bins[-1].label}")
    rows = [(each.label, f"{each.count:,}") for each in bins.bins if each.count]
    heads = [Column(bins.unit.capitalize()), Column("Events", "number")]
    return _chart(
        report,
        title,
        about if bins.unit == "day" else f"{about} A column is {bins.step}.",
        columns(bins),
        muted(f"Not drawn: {'; '.join(left)}.") if left else None,
        folded("The figures", table("Events over time", heads, rows)),
    )


def unmapped(report: Manifest) -> Element:
    """The texts that no rule maps."""
    title = "Unmapped"
    if not report.unmapped:
        return section(title, None, muted("There is a rule for every text that was sent."))
    rows = [
        (
            "no provider" if row.provider is None else shortened(row.provider, _LONGEST_NAME),
            element("span", row.source_value, class_="text"),
            f"{row.count:,}",
        )
        for row in report.unmapped
    ]
    heads = [Column("Provider"), Column("Source value"), Column("Events", "number")]
    return section(
        title,
        "Texts that no rule maps, the most frequent first. They are unmapped_value in the output.",
        *long_table("Texts without a rule", heads, rows, "text"),
    )
