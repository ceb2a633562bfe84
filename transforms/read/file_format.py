"""Tells whether a file is lines of JSON or one document, by its first bytes."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

FileFormat = Literal["lines", "document"]

PEEK_BYTES = 1 << 20
"""How many first bytes, after decompression, are looked at."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_WHITE = " \t\r\n"


class _Value(NamedTuple):
    """What a text begins with: a whole value that ends somewhere, or one that could still go on
    where the text ends, or neither. A `deep` one is nested too deeply to say."""

    state: Literal["whole", "open", "wrong", "deep"]
    end: int = 0


def detect_file_format(peeked: bytes) -> FileFormat:
    """Tells the shape of a file.

    A file is one document if its first JSON value runs over more than one line: JSON Lines never
    does that. Where the first line holds a whole value, or what follows it cannot continue the
    value, the file is lines, and a bad first line costs that line only.

    So no single wrong byte makes a document of JSON Lines, but for two cases that cannot be told:
    the only line of a file becomes two (they are the same as a document, most often), and a first
    line that stays open because of its wrong byte, with no whole line behind it in what is peeked.

    Args:
        peeked: The first bytes of the file, PEEK_BYTES of them or all there are. A document on a
            single line, or whose first line is longer than that, is taken for lines.
    """
    head = peeked.removeprefix(BYTE_ORDER_MARK).lstrip(_WHITE.encode())
    first, newline, rest = head.partition(b"\n")
    if not newline or not rest or rest.isspace() or first[:1] not in (b"{", b"["):
        return "lines"
    first_line = _text(first)
    if _first_value(first_line).state != "open":
        return "lines"
    is_cut = len(peeked) >= PEEK_BYTES
    if is_cut:
        # A string, number or word never runs over a line's end: a cut there cuts none of them.
        head = head[: head.rindex(b"\n")]
    text = _text(head)
    state, end = _first_value(text)
    if state == "wrong":
        return "lines"
    if state == "whole":
        same_line, _, behind = text[end:].partition("\n")
        # Nothing follows a document; what is left of a line that was broken in two, or a line that
        # is whole in itself, does follow in JSON Lines.
        return "lines" if same_line.strip(_WHITE) or _begins_with_line(behind) else "document"
    if state == "open" and (not is_cut or _first_value(first_line[:-1] + "]").state == "whole"):
        # The bracket at its end may be what is wrong with this line: then the next one is whole in
        # itself, which the second element of an array that goes on is not: it has its comma.
        return "lines" if _begins_with_line(text.partition("\n")[2]) else "document"
    return "document"


def _text(head: bytes) -> str:
    return head.decode("utf-8", "replace").rstrip(_WHITE)


def _begins_with_line(text: str) -> bool:
    """Whether the first line that is not blank is an object or an array, whole in itself."""
    line = text.lstrip(_WHITE).partition("\n")[0].rstrip(_WHITE)
    return line[:1] in ("{", "[") and _first_value(line) == ("whole", len(line))


def _text_only(text: str) -> str:
    return text


# Numbers stay text: their size must not matter here.
_scan = json.JSONDecoder(
    parse_int=_text_only, parse_float=_text_only, parse_constant=_text_only
).raw_decode


def _first_value(text: str) -> _Value:
    try:
        return _Value("whole", _scan(text)[1])
    except json.JSONDecodeError as error:
        return _Value("open" if error.pos >= len(text) else "wrong")
    except RecursionError:
        return _Value("deep")
