"""Texts that strangers wrote, made fit to be shown to people."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text without characters that do something to a terminal or turn the reading direction."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int) -> str:
    """Printable text of at most so many characters, an ellipsis at the cut included."""
    text = printable(text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def counted(count: int, noun: str) -> str:
    """A number with its noun in the singular or the plural."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def size_text(size: int) -> str:
    """A number of bytes for people; a kB is 1,000 of them."""
    if size < 1000:
        return counted(size, "byte")
    scaled = float(size)
    for unit in ("kB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.95:
            return f"{scaled:.1f} {unit}"
    return f"{scaled / 1000:,.1f} TB"


def duration_text(seconds: float) -> str:
    """A duration for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def moment(time: str) -> str:
    """A time in RFC 3339, UTC, for people."""
    return time.replace("T", " ").replace("+00:00", " UTC")
