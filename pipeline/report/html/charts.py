"""Charts of the report page, drawn as SVG without a script.

Lengths are shares of the width that there is, so a chart fits a phone and a wide screen, and its
texts keep their size. Each chart stands beside or above a table of its figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from pipeline.report import counted
from pipeline.report.html.day_bins import DayBins
from pipeline.report.html.elements import element

_HEIGHT = 160
"""Of the chart over time, in pixels."""

_BAR_HEIGHT = 14

_GAP = 0.2
"""Share of the room between the columns of the chart over time."""

_LEAST = 0.012
"""Share of the height that a column has at least, or a few events beside many would not be seen."""

_COUNT = "Events"

_WIDEST_COLUMN = 64
"""In pixels."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar.

    Attributes:
        name: Shown when pointed at.
        count: Its length.
        style: Class of its colour.
    """

    name: str
    count: int
    style: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a chart of bars.

    Attributes:
        name: Of the row.
        parts: Of its bar.
        note: Explains the name, or None.
    """

    name: str
    parts: Sequence[Part]
    note: str | None = None

    @property
    def count(self) -> int:
        """How many there are in all."""
        return sum(part.count for part in self.parts)


def bar(parts: Iterable[Part], whole: int) -> Element:
    """A bar of parts one behind the other; hidden from readers of the text beside it.

    Args:
        parts: Of the bar; empty ones are left out.
        whole: What the full width stands for.
    """
    drawn = []
    start = 0
    for part in parts:
        if part.count:
            title = element("title", f"{part.name}: {part.count:,}")
            x, width = _percent(start, whole), _percent(part.count, whole)
            drawn.append(element("rect", title, x=x, width=width, height="100%", class_=part.style))
        start += part.count
    return element(
        "svg", *drawn, class_="bar", width="100%", height=_BAR_HEIGHT, aria_hidden="true"
    )


def bar_rows(caption: str, heading: str, rows: Sequence[Row], total: int) -> Element:
    """A table with a bar for each row, as long as its count; the longest takes all the room.

    Args:
        caption: What the table shows, for those who do not see it.
        heading: What the names are.
        rows: In their order.
        total: What shares are of.
    """
    longest = max((row.count for row in rows), default=0)
    return _rows(caption, heading, [(row, bar(row.parts, longest)) for row in rows], total)


def share_rows(caption: str, heading: str, rows: Sequence[Row], total: int) -> Element:
    """A table with a bar for each row, all of one length: what its parts are shares of."""
    return _rows(caption, heading, [(row, bar(row.parts, row.count)) for row in rows], total)


def _rows(caption: str, heading: str, rows: Sequence[tuple[Row, Element]], total: int) -> Element:
    digits = max([len(f"{row.count:,}") for row, _ in rows] + [len(_COUNT)])
    # A style sheet that breaks rows up, as on a phone, would take their roles away with it.
    head = element(
        "tr",
        element("th", heading, scope="col", role="columnheader"),
        element("td", class_="chart", role="cell"),
        element("th", _COUNT, scope="col", class_="number", role="columnheader"),
        element("th", "Share", scope="col", class_="number", role="columnheader"),
        role="row",
    )
    body = [
        element(
            "tr",
            element(
                "th",
                row.name,
                None if row.note is None else element("small", row.note),
                scope="row",
                role="rowheader",
            ),
            element("td", drawn, class_="chart", role="cell"),
            element("td", f"{row.count:,}", class_="number", role="cell"),
            element("td", share(row.count, total), class_="number muted", role="cell"),
            role="row",
        )
        for row, drawn in rows
    ]
    return element(
        "table",
        element("caption", caption),
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_="bars",
        role="table",
        style=f"--digits: {digits}",
    )


def legend(parts: Iterable[Part]) -> Element:
    """Which colour stands for what."""
    return element("ul", *(_key(part) for part in parts), class_="legend")


def _key(part: Part) -> Element:
    square = element("rect", width="100%", height="100%", class_=part.style)
    swatch = element("svg", square, class_="swatch", width=12, height=12, aria_hidden="true")
    return element("li", swatch, part.name)


def columns(over_time: DayBins) -> Element:
    """A chart of columns over time, with its text alternative."""
    bins = over_time.bins
    highest = max(each.count for each in bins)
    top = _round_up(highest)
    drawn = [
        element("line", x1="0", x2="100%", y1=_percent(step, 2), y2=_percent(step, 2))
        for step in range(3)
    ]
    for number, each in enumerate(bins):
        if not each.count:
            continue
        height = max(each.count, _LEAST * top)
        drawn.append(
            element(
                "rect",
                element("title", f"{each.label}: {each.count:,}"),
                x=_percent(number + _GAP / 2, len(bins)),
                width=_percent(1 - _GAP, len(bins)),
                y=_percent(top - height, top),
                height=_percent(height, top),
                class_="accent",
            )
        )
    busiest = next(each for each in bins if each.count == highest)
    span = (
        f"{counted(len(bins), 'column')} of {over_time.step} each, from {bins[0].label} to "
        f"{bins[-1].label}; the most are {counted(highest, 'event')} in {busiest.label}."
    )
    chart = element(
        "svg",
        element("title", f"Events by {over_time.unit}", id="time-title"),
        element("desc", span, id="time-desc"),
        *drawn,
        width="100%",
        height=_HEIGHT,
        role="img",
        aria_labelledby="time-title time-desc",
    )
    scale = [f"{top:,}", f"{top // 2:,}" if top % 2 == 0 else "", "0"]
    ends = [bins[number].label for number in sorted({0, len(bins) // 2, len(bins) - 1})]
    return element(
        "div",
        element("div", *(element("span", text) for text in scale), class_="y", aria_hidden="true"),
        element("div", chart, class_="plot"),
        element("div", *(element("span", text) for text in ends), class_="x", aria_hidden="true"),
        class_="time",
        style=f"max-width: {len(bins) * _WIDEST_COLUMN + 80}px",
    )


def share(count: int, total: int) -> str:
    """A share for people; what is little is not said to be nothing, nor most to be all."""
    if not total or not count:
        return "–" if not total else "0 %"
    percent = 100 * count / total
    if percent < 0.1:
        return "< 0.1 %"
    if count < total and percent > 99.9:
        return "> 99.9 %"
    return f"{percent:.1f} %" if count < total else "100 %"


def _percent(part: float, whole: int) -> str:
    return f"{100 * part / whole:.3f}%" if whole else "0%"


def _round_up(count: int) -> int:
    """The next number with one digit that says something, but 10, 20, 50 and so on by halves."""
    size = 10 ** (len(str(count)) - 1)
    return max(next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= count), 1)
