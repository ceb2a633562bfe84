"""Formats texts, counts, sizes and times for people."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells

NO_BREAK = "\N{NO-BREAK SPACE}"
"""A space at which `wrapped` does not break a line."""


def printable(text: str) -> str:
    """Escapes characters that control a terminal or change the direction of text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, max_length: int) -> str:
    """Returns printable text of at most `max_length` characters, with an ellipsis if truncated."""
    text = printable(text[: max_length + 1])
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def wrapped(text: str, width: int) -> list[str]:
    """Breaks a text at its spaces into printable lines of at most `width` columns.

    A word that is too long for a line is broken, too.
    """
    lines = [""]
    for word in NO_BREAK.join(map(printable, text.split(NO_BREAK))).split(" "):
        line = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(line) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = line
        *full, lines[-1] = chop_cells(lines[-1], width) or [""]
        lines[-1:-1] = full
    return [line.replace(NO_BREAK, " ") for line in lines]


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun in the singular or plural."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def size_text(size: int) -> str:
    """Returns a number of bytes for people; a kB is 1,000 bytes."""
    if size < 1000:
        return counted(size, "byte")
    scaled = float(size)
    for unit in ("kB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.95:
            return f"{scaled:.1f} {unit}"
    return f"{scaled / 1000:,.1f} TB"


def share_text(share: float) -> str:
    """Returns a share from 0 to 1 as a percentage for people."""
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def duration_text(seconds: float) -> str:
    """Returns a duration for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def time_text(time: str) -> str:
    """Returns a time, given in RFC 3339 and UTC, for people."""
    return time.replace("T", " ").replace("+00:00", " UTC")
