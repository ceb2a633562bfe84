"""Tells whether a file is lines of JSON or one document, by its first bytes."""

from __future__ import annotations

import json
from typing import Literal

Shape = Literal["lines", "document"]

PEEK_BYTES = 64 << 10
"""How many first bytes, after decompression, are looked at."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _text_only(text: str) -> str:
    return text


# Numbers stay text: their size must not matter here.
_scan = json.JSONDecoder(
    parse_int=_text_only, parse_float=_text_only, parse_constant=_text_only
).raw_decode


def shape_of(peeked: bytes) -> Shape:
    """Tells the shape of a file.

    A file is one document if its first JSON value runs over more than one line: JSON Lines never
    does that. Where the first line holds a whole value, or what follows it cannot continue the
    value, the file is lines, and a bad first line costs that line only.

    Args:
        peeked: The first bytes of the file, PEEK_BYTES of them or all there are.
    """
    head = peeked.removeprefix(BYTE_ORDER_MARK).lstrip(b" \t\r\n")
    first_line, newline, rest = head.partition(b"\n")
    if not newline or not rest.strip() or first_line[:1] not in (b"{", b"["):
        return "lines"
    if len(peeked) >= PEEK_BYTES:
        # A string, number or word never runs over a line's end: a cut there cuts none of them.
        head = head[: head.rindex(b"\n")]
    text = head.decode("utf-8", "replace").rstrip()
    try:
        _, end = _scan(text)
    except json.JSONDecodeError as error:
        return "document" if error.pos >= len(text) else "lines"
    except RecursionError:
        return "lines"
    return "document" if "\n" in text[:end] else "lines"
