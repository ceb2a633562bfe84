"""Detects by the first bytes of a file if it is JSON Lines or one document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from transforms.json import JSON_WHITE_SPACE
from transforms.read.limits import PEEK_BYTES

FileFormat = Literal["lines", "document"]
InputFormat = Literal["auto"] | FileFormat

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MARK_BYTES = len(_BYTE_ORDER_MARK)

_WHITE_SPACE = JSON_WHITE_SPACE.decode()
_NOT_WHITE = re.compile(rb"[^ \t\r\n]")


class _Value(NamedTuple):
    """The first JSON value of a text; a whole value ends at `end`, in characters.

    The state is `whole` if it ends within the text, `open` if it may continue after the text,
    `wrong` if it is not JSON, `deep` if it is nested too deeply to decide.
    """

    state: Literal["whole", "open", "wrong", "deep"]
    end: int = 0


def without_mark(text: bytes) -> bytes:
    """Removes the byte-order mark from the start of a text."""
    return text.removeprefix(_BYTE_ORDER_MARK)


def text_bounds(text: bytes, size: int) -> tuple[int, int]:
    """Returns where the first `size` bytes of a text start and end without a byte-order mark and
    outer white space, without a copy of a large text."""
    start = MARK_BYTES if text.startswith(_BYTE_ORDER_MARK) else 0
    found = _NOT_WHITE.search(text, start, size)
    if found is None:
        return size, size
    end = size
    while True:
        part = text[max(found.start(), end - PEEK_BYTES) : end]
        kept = part.rstrip(JSON_WHITE_SPACE)
        end -= len(part) - len(kept)
        if kept:
            return found.start(), end


def strip_text(content: bytes) -> tuple[bytes, int]:
    """Removes a byte-order mark and outer white space; returns the text and its offset."""
    text = without_mark(content).lstrip(JSON_WHITE_SPACE)
    return text.rstrip(JSON_WHITE_SPACE), len(content) - len(text)


def detect_file_format(peeked: bytes) -> FileFormat:
    """Detects the format of a file.

    A file is one document if its first JSON value spans more than one line, which never happens in
    JSON Lines. If the first line holds a whole value, or if the next lines cannot continue the
    value, the file is lines, and a bad first line costs that line only.

    A single wrong byte never turns JSON Lines into a document, with two exceptions that cannot be
    detected: the only line of a file is broken in two (the result is usually the same as a
    document), or the wrong byte leaves the first line open and no whole line follows in `peeked`.

    Args:
        peeked: The first PEEK_BYTES bytes of the file, or all of a shorter file. A document on a
            single line, or with a longer first line, counts as lines.
    """
    head = without_mark(peeked).lstrip(JSON_WHITE_SPACE)
    first, _, others = head.partition(b"\n")
    if not others or others.isspace() or first[:1] not in (b"{", b"["):
        return "lines"
    first_line = _text(first)
    if _first_value(first_line).state != "open":
        return "lines"
    is_truncated = len(peeked) >= PEEK_BYTES
    if is_truncated:
        # No string, number or word contains a line end: truncating there splits none of them.
        head = head[: head.rindex(b"\n")]
    text = _text(head)
    state, end = _first_value(text)
    if state == "wrong":
        return "lines"
    if state == "whole":
        same_line, _, following = text[end:].partition("\n")
        same_line = same_line.strip(_WHITE_SPACE)
        if same_line[:1] in ("{", "[") and _first_value(same_line).state == "open":
            return "document"
        # Nothing or another document follows a document. In JSON Lines, the rest of a broken line
        # or a whole line does.
        return "lines" if same_line or _begins_with_line(following) else "document"
    # The last bracket of the first line may be the wrong byte. Then the next line is whole, unlike
    # the second element of an unfinished array, which is followed by a comma.
    if state == "open" and (
        not is_truncated or _first_value(first_line[:-1] + "]").state == "whole"
    ):
        return "lines" if _begins_with_line(text.partition("\n")[2]) else "document"
    return "document"


def split_payloads(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Splits a message or an element into payloads: one document, else one payload for each line.

    Yields:
        Each payload with its offset in the data, in bytes. White space alone is not a payload.
    """
    payload, offset = strip_text(data)
    if not payload:
        return
    if b"\n" not in payload or detect_file_format(payload[:PEEK_BYTES]) == "document":
        yield payload, offset
        return
    for line in payload.split(b"\n"):
        if line.strip(JSON_WHITE_SPACE):
            yield line.removesuffix(b"\r"), offset
        offset += len(line) + 1


def _text(head: bytes) -> str:
    return head.decode("utf-8", "replace").rstrip(_WHITE_SPACE)


def _begins_with_line(text: str) -> bool:
    """Returns True if the first line that is not blank is a whole object or array."""
    line = text.lstrip(_WHITE_SPACE).partition("\n")[0].rstrip(_WHITE_SPACE)
    return line[:1] in ("{", "[") and _first_value(line) == ("whole", len(line))


# Numbers stay text, so that their length does not matter.
_scan = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).raw_decode


def _first_value(text: str) -> _Value:
    try:
        return _Value("whole", _scan(text)[1])
    except json.JSONDecodeError as error:
        return _Value("open" if error.pos >= len(text) else "wrong")
    except RecursionError:
        return _Value("deep")
