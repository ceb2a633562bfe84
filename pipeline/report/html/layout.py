"""The parts that the sections of the report page are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from pipeline.report import counted
from pipeline.report.html.elements import Child, element

SHOWN = 20
"""Rows that a table shows at once; the others wait behind a click."""

MOST_ROWS = 500
"""Rows of a table in all: a page has to open in a browser."""


class Column(NamedTuple):
    """A column of a table: its heading, and the class of its cells, `number` for one."""

    heading: str
    style: str | None = None


def section(title: str, about: str | None, *content: Child) -> Element:
    """A part of the page under its own heading."""
    intro = None if about is None else element("p", about, class_="about")
    return element("section", element("h2", title), intro, *content)


def pair(*sections: Element) -> Element:
    """Sections side by side, where there is room."""
    return element("div", *sections, class_="pair")


def badge(text: str, style: str) -> Element:
    """A few words that are seen first; `style` is good, warn or bad."""
    return element("span", text, class_=f"badge {style}")


def muted(text: str) -> Element:
    """A remark."""
    return element("p", text, class_="muted")


def code(text: str) -> Element:
    """A text to be copied."""
    return element("code", text)


def folded(title: str, *content: Child) -> Element:
    """Content behind a click, which needs no script."""
    return element("details", element("summary", title), *content)


def facts(rows: Sequence[tuple[str, Child]]) -> Element:
    """Names with what they stand for."""
    parts = [part for name, value in rows for part in (element("dt", name), element("dd", value))]
    return element("dl", *parts, class_="facts")


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]]) -> Element:
    """A table.

    Args:
        caption: What it shows, for those who do not see it.
        columns: From left to right.
        rows: Of cells, one for each column.
    """
    head = (element("th", each.heading, scope="col", class_=each.style) for each in columns)
    body = (
        element(
            "tr",
            *(
                element("td", cell, class_=each.style)
                for each, cell in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    )
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )


def long_table(
    caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Child]], noun: str
) -> list[Element]:
    """A table whose first rows are shown, and the others on request, up to a limit."""
    parts = [table(caption, columns, rows[:SHOWN])]
    more = rows[SHOWN:MOST_ROWS]
    if more:
        inner = [table(f"{caption}, continued", columns, more)]
        if len(rows) > MOST_ROWS:
            left = counted(len(rows) - MOST_ROWS, f"more {noun}")
            inner.append(muted(f"{left}: see the manifest of the run."))
        parts.append(folded(counted(len(rows) - SHOWN, f"more {noun}"), *inner))
    return parts
