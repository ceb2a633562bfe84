"""Elements of a page, made so that no text can become anything but text."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pipeline.report import printable

Child = Element | str | None


def element(tag: str, /, *children: Child, **attributes: str | int | None) -> Element:
    """Makes an element; characters that do something else than be seen are shown as escapes.

    Args:
        tag: Its name.
        children: Elements and texts in their order; None is left out.
        attributes: By name, `_` for `-`, one at the end left out; None is left out.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), printable(str(value)))
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif child is not None and last is None:
            made.text = (made.text or "") + printable(child)
        elif child is not None and last is not None:
            last.tail = (last.tail or "") + printable(child)
    return made


def style_sheet(text: str) -> Element:
    """An element of CSS that this project wrote: its text goes into the page as it is."""
    made = Element("style")
    made.text = text
    return made


def document(root: Element) -> str:
    """A page as text; what is no ASCII stays as it is."""
    return "<!doctype html>\n" + ElementTree.tostring(root, encoding="unicode", method="html")
