"""What a `source_value` is: its kind, its parts, whether it says anything, and its text.

Works on the exact JSON text (UTF-8, no white space around it, known to be valid), one level at
a time: numbers keep every digit, of duplicate keys the last one counts, and what nobody looks at is
never built. Every function takes a time that is linear in the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from schemas.mapping import normalise_label

MAX_DEPTH: Final = 4
"""How deep containers are looked into, the outermost being 1."""

MAX_COMMAS: Final = 500_000
"""Commas in a container that is looked into. It takes megabytes of them: no status, but an attack
on the memory, which would have to hold every part by itself."""

MAX_TEXT: Final = 4096
"""Characters of a coerced text that are kept."""

LABEL_KEYS: Final = (
    "label",
    "name",
    "value",
    "descriptor",
    "displayName",
    "display_name",
    "formattedvalue",
    "text",
    "title",
    "status",
    "state",
    "statusName",
    "status_name",
    "$value",
)
"""Where an object may have its label, the likeliest place first."""

ID_KEYS: Final = ("id", "code")
SOURCE_KEYS: Final = ("source_value", "sourceValue")

_ALL_KEYS: Final = (*LABEL_KEYS, *ID_KEYS, *SOURCE_KEYS)
_RANKS: Final = {key.casefold(): (rank, key) for rank, key in enumerate(_ALL_KEYS)}
_VALUE: Final = LABEL_KEYS.index("value")
_FIRST_ID: Final = len(LABEL_KEYS)
_FIRST_SOURCE: Final = _FIRST_ID + len(ID_KEYS)
_SCALARS: Final = re.compile(rb'"[^"]*"(\s*:)?|[-0-9tfn]')
_BLANK: Final = re.compile(rb'"[\s_\-./]*"')
_PLAIN: Final = re.compile(rb'"[^\\]*[A-Za-z0-9][^\\]*"')
_WID: Final = msgspec.Raw(b'"WID"')
MAX_CODE_DIGITS: Final = 18

_decode_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
decode_string: Final = msgspec.json.Decoder(str).decode


class Part(NamedTuple):
    """A member of an object: its key as written, and its JSON text."""

    key: str
    json: bytes


class Element(NamedTuple):
    """An element of an array: where it stands first, its JSON text, how often it occurs."""

    position: int
    json: bytes
    times: int


class Parts(NamedTuple):
    """The members of an object that may say what its status is, each list in order of preference.

    Attributes:
        labels: Under the keys where labels stand.
        ids: Under `id` and `code`.
        source: Under `source_value`; if there is one, the object is a pair like the job status
            itself, and only `source` and `value` count.
        value: Under `value`.
    """

    labels: list[Part]
    ids: list[Part]
    source: list[Part]
    value: list[Part]


def is_container(json: bytes) -> bool:
    """Whether a text is an array or an object."""
    return json[0] in b"[{"


def is_looked_into(json: bytes, depth: int) -> bool:
    """Whether a container at a depth (the outermost being 1) is looked into."""
    return depth <= MAX_DEPTH and (len(json) <= MAX_COMMAS or json.count(b",") <= MAX_COMMAS)


def has_content(json: bytes) -> bool:
    """Whether there is a number, a boolean or a string that is not blank anywhere in a value.

    The keys of objects say nothing by themselves.
    """
    # An escaped quote or backslash is no blank, so any letter may stand for it; without them
    # a string ends at the next quote.
    flat = json.replace(rb"\\", b"xx").replace(rb"\"", b"xx") if b"\\" in json else json
    for match in _SCALARS.finditer(flat):
        token = match[0]
        if token[0] != ord('"'):
            if token != b"n":
                return True
        elif match[1] is None and (
            _PLAIN.fullmatch(token)
            or (not _BLANK.fullmatch(token) and normalise_label(decode_string(token)))
        ):
            return True
    return False


def speaking(json: bytes) -> list[Element]:
    """Returns the distinct elements of an array that say something, in order.

    A Workday reference of type WID is no element: it is the opaque id of what the others name.
    """
    found: dict[bytes, tuple[int, int]] = {}
    for index, raw in enumerate(_decode_array(json)):
        element = bytes(raw)
        first, count = found.get(element, (index, 0))
        found[element] = (first, count + 1)
    return [
        Element(first, element, count)
        for element, (first, count) in found.items()
        if has_content(element) and not _is_workday_id(element)
    ]


def parts(json: bytes) -> Parts:
    """Returns the members of an object that may say what its status is.

    Keys are compared without case. Of the keys that differ in case only, the usual spelling comes
    first, then the others by code point, so that the order of an object's members never matters.
    """
    # A search passes an object several times: in each of the tables, then for its text.
    return _remembered_parts(json) if len(json) <= _LONGEST_REMEMBERED else _parts(json)


def _parts(json: bytes) -> Parts:
    found: list[tuple[int, bool, Part]] = []
    for key, raw in _decode_object(json).items():
        known = _RANKS.get(key.casefold())
        if known is not None:
            rank, usual = known
            found.append((rank, key != usual, Part(key, bytes(raw))))
    found.sort()
    members = Parts([], [], [], [])
    for rank, _, part in found:
        if rank >= _FIRST_SOURCE:
            members.source.append(part)
        elif rank >= _FIRST_ID:
            members.ids.append(part)
        else:
            members.labels.append(part)
        if rank == _VALUE:
            members.value.append(part)
    return members


_LONGEST_REMEMBERED = 1024
_remembered_parts = lru_cache(256)(_parts)


def number_code(text: str) -> str | None:
    """Returns the code of a JSON number: its integer, if it is one of at most 18 digits.

    Args:
        text: The number as written; `1e1000000000` is as quick as any.

    Returns:
        `10` for 10, 10.0 and 1e1; `0` for -0; None for anything else.
    """
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    power_digits = exponent.lstrip("+-0")
    if len(power_digits) > MAX_CODE_DIGITS:
        return None
    power = int(power_digits or "0") * (-1 if exponent.startswith("-") else 1) - len(fraction)
    significant = digits.rstrip("0")
    power += len(digits) - len(significant)
    if power < 0 or len(significant) + power > MAX_CODE_DIGITS:
        return None
    return ("-" if mantissa.startswith("-") else "") + significant + "0" * power


def compact(json: bytes) -> str:
    """Returns a JSON text without insignificant white space; numbers and escapes as they are."""
    return msgspec.json.format(json, indent=-1).decode()


def text_of(json: bytes, depth: int = 1) -> str:
    """Coerces a value to a text, with no regard to rules.

    Args:
        json: The value.
        depth: Its depth, the outermost being 1.

    Returns:
        A string as it is; a number or boolean as written; of an object the first label that says
        something; of an array its element, if only one says something; else the JSON text.
    """
    if json[0] == ord('"'):
        return decode_string(json)
    part = representative_part(json, depth)
    return compact(json) if part is None else text_of(part, depth + 1)


def representative_part(json: bytes, depth: int = 1) -> bytes | None:
    """Returns the part of a value that the value's text is taken from; it says something.

    Args:
        json: The value.
        depth: Its depth, the outermost being 1.

    Returns:
        A label or an element; None where no part can stand for the whole.
    """
    if not is_container(json) or not is_looked_into(json, depth):
        return None
    return _speaking_label(json) if json[0] == ord("{") else _speaking_element(json)


def labels_of(members: Parts) -> list[Part]:
    """Returns the members that can have a text: labels, and what an id holds, but not the id."""
    return members.labels + [
        part for part in members.ids if part.key.casefold() == "id" and is_container(part.json)
    ]


def _is_workday_id(json: bytes) -> bool:
    if json[0] != ord("{"):
        return False
    attributes = _decode_object(json).get("attributes", _WID)
    if memoryview(attributes)[0] != ord("{"):
        return False
    return _decode_object(attributes).get("wd:type") == _WID


def _speaking_element(json: bytes) -> bytes | None:
    found = speaking(json)
    return found[0].json if len(found) == 1 and found[0].times == 1 else None


def _speaking_label(json: bytes) -> bytes | None:
    members = parts(json)
    candidates = members.source + members.value if members.source else labels_of(members)
    return next((part.json for part in candidates if has_content(part.json)), None)
