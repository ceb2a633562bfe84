"""Reads a `source_value`: its parts, the code of a number, the text to keep, and if it is empty.

The functions read exact JSON text (UTF-8, trimmed, valid) and decode one level at a time. So
numbers keep every digit, the last of duplicate keys counts, and unused parts are never built. Each
function runs in a time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from schemas.mapping import normalise_label, spellings
from transforms.json import decode_array, decode_object, decode_string, kind_of

MAX_CONTAINER_DEPTH: Final = 4
"""Levels of arrays and objects that are searched, the outermost being 1."""

MAX_COMMAS: Final = 500_000
"""Commas in a container that is searched. More of them need megabytes: this is not a status but an
attack on the memory, which would hold each part as an object."""

MAX_TEXT: Final = 4096
"""Characters of a coerced text that are kept."""

MAX_CODE_DIGITS: Final = 18
"""Digits of a number that can be a code."""

LABEL_KEYS: Final = (
    "label",
    "name",
    "value",
    "descriptor",
    "displayName",
    "display_name",
    "formattedvalue",
    "display_value",
    "actual_value",
    "wd:Descriptor",
    "@Descriptor",
    "text",
    "title",
    "status",
    "state",
    "statusName",
    "status_name",
    "$value",
    "#text",
    "_",
)
"""The keys under which an object may have its label, in order of preference."""

ID_KEYS: Final = ("id", "code", "wd:ID")
FLAG_KEYS: Final = ("isOpen", "is_open", "isListed")
"""The keys under which an object may have its status as a boolean."""

SOURCE_KEYS: Final = ("source_value", "sourceValue")

_ALL_KEYS: Final = (*LABEL_KEYS, *ID_KEYS, *FLAG_KEYS, *SOURCE_KEYS)
_RANKS: Final = {key.casefold(): (rank, key) for rank, key in enumerate(_ALL_KEYS)}
_FIRST_ID: Final = len(LABEL_KEYS)
_FIRST_FLAG: Final = _FIRST_ID + len(ID_KEYS)
_FIRST_SOURCE: Final = _FIRST_FLAG + len(FLAG_KEYS)
_ATTRIBUTES: Final = ("attributes", "$")
"""The keys under which parsers of XML keep the attributes of an element."""

_DESCRIPTORS: Final = ("descriptor", "wd:descriptor")
_TYPES: Final = ("wd:type", "@wd:type", "type", "@type")
_MAX_CACHED_BYTES: Final = 1024
_STRING, _ARRAY, _OBJECT = b'"[{'
"""The first byte of a string, an array and an object."""

_SCALARS: Final = re.compile(rb'"[^"]*"(\s*:)?|[-0-9tfn]')
_FILLED: Final = re.compile(rb':\s*"[A-Za-z0-9]')
"""Occurs only where a string starts that is a member's value: text after the end of a string starts
with another character."""
_BLANK: Final = re.compile(rb'"[\s_\-./]*"')
_PLAIN: Final = re.compile(rb'"[^\\]*[A-Za-z0-9][^\\]*"')
_WID: Final = b'"WID"'


class Part(NamedTuple):
    """A member of an object: its key as written, and its JSON text."""

    key: str
    json: bytes


class Element(NamedTuple):
    """A distinct element of an array: its first position, its JSON text, its number of copies."""

    position: int
    json: bytes
    times: int


class Parts(NamedTuple):
    """The members of an object that may contain its status, each list in order of preference.

    Attributes:
        labels: The members under LABEL_KEYS. The `Descriptor` among the attributes of a Workday
            reference counts as a member.
        ids: The members under ID_KEYS.
        references: The arrays and objects under `id`, such as the ids of a Workday reference.
        flags: The booleans under FLAG_KEYS.
        source: The members under `source_value`. If there is one, the object has the form of a job
            status, and only `source` and `value` count.
    """

    labels: list[Part]
    ids: list[Part]
    references: list[Part]
    flags: list[Part]
    source: list[Part]

    @property
    def value(self) -> list[Part]:
        """The members under `value`, which are among the labels."""
        return [part for part in self.labels if part.key.casefold() == "value"]


def is_searched(json: bytes, depth: int) -> bool:
    """Returns True if a container at a depth (the outermost being 1) is within the limits."""
    within_commas = len(json) <= MAX_COMMAS or json.count(b",") <= MAX_COMMAS
    return depth <= MAX_CONTAINER_DEPTH and within_commas


def has_content(json: bytes) -> bool:
    """Returns True if a value contains a number, a boolean or a string that is not blank.

    The keys of objects do not count.
    """
    # An escaped quote or backslash is not blank, so letters can replace it; without them a string
    # ends at the next quote.
    flat = json.replace(rb"\\", b"xx").replace(rb"\"", b"xx") if b"\\" in json else json
    if _FILLED.search(flat):
        return True
    for match in _SCALARS.finditer(flat):
        token = match[0]
        if token[0] != _STRING:
            if token != b"n":
                return True
        elif match[1] is None and (
            _PLAIN.fullmatch(token)
            or (not _BLANK.fullmatch(token) and normalise_label(decode_string(token)))
        ):
            return True
    return False


def elements_with_content(json: bytes) -> list[Element]:
    """Returns the distinct elements of an array that have content, in order.

    A Workday reference of type WID is excluded: it is an opaque id for the same thing as the other
    elements.
    """
    found: dict[bytes, tuple[int, int]] = {}
    for index, raw in enumerate(decode_array(json)):
        element = bytes(raw)
        first, count = found.get(element, (index, 0))
        found[element] = (first, count + 1)
    return [
        Element(first, element, count)
        for element, (first, count) in found.items()
        if has_content(element) and not is_workday_id(element)
    ]


def parts(json: bytes) -> Parts:
    """Returns the members of an object that may contain its status.

    Keys are compared without case. Of keys that differ only in case, the spelling of LABEL_KEYS is
    first, then the others by code point, so the order of the members in the object does not matter.
    """
    # One look-up needs the parts of an object several times: for each table, then for its text.
    return _cached_parts(json) if len(json) <= _MAX_CACHED_BYTES else _parts(json)


def _parts(json: bytes) -> Parts:
    found: list[tuple[int, bool, Part]] = []
    for key, raw in decode_object(json).items():
        known = _RANKS.get(key.casefold())
        if known is not None:
            rank, usual = known
            found.append((rank, key != usual, Part(key, bytes(raw))))
        elif key in _ATTRIBUTES:
            for name, attribute in _object_members(raw).items():
                if name.casefold() in _DESCRIPTORS:
                    part = Part(f"{key}.{name}", bytes(attribute))
                    found.append((_RANKS[name.casefold()][0], True, part))
    found.sort()
    members = Parts([], [], [], [], [])
    for rank, _, part in found:
        if rank < _FIRST_ID:
            members.labels.append(part)
        elif rank < _FIRST_FLAG:
            is_reference = part.json[0] in b"[{" and part.key.casefold() != "code"
            (members.references if is_reference else members.ids).append(part)
        elif rank >= _FIRST_SOURCE:
            members.source.append(part)
        elif part.json in (b"true", b"false"):
            members.flags.append(part)
    return members


_cached_parts = lru_cache(256)(_parts)


def number_code(text: str) -> str | None:
    """Returns the code of a JSON number: its integer of at most 18 digits, or None.

    For example `10` for 10, 10.0 and 1e1; `0` for -0; None for 1.5. Runs in a time linear in the
    text, so `1e1000000000` is fast.
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


def id_code(json: bytes) -> str | None:
    """Returns the code of an id: a trimmed string or an integer; None for any other value."""
    kind = kind_of(json)
    if kind == "string":
        return decode_string(json).strip() or None
    return number_code(json.decode()) if kind == "number" else None


def compact(json: bytes) -> str:
    """Returns a JSON text without insignificant white space; numbers and escapes stay."""
    return msgspec.json.format(json, indent=-1).decode()


def text_of(json: bytes, depth: int = 1) -> str:
    """Coerces a value at a depth (the outermost being 1) to a text, without use of the rules.

    Returns:
        A string as it is; a number or boolean as written; the text of the first label of an object
        that has content, or of the only element of an array that has content; the JSON text of
        another array or object.
    """
    text = filled_text(json, depth)
    if text is not None:
        return text
    return decode_string(json) if json[0] == _STRING else compact(json)


def filled_text(json: bytes, depth: int = 1) -> str | None:
    """Coerces a value as `text_of` does; returns None if it has no content."""
    if json[0] == _STRING:
        text = decode_string(json)
        return text if spellings(text).plain else None
    if is_searched(json, depth):
        for part in _text_parts(json):
            text_of_part = filled_text(part.json, depth + 1)
            if text_of_part is not None:
                return text_of_part
    return compact(json) if has_content(json) else None


def _text_parts(json: bytes) -> Sequence[Part | Element]:
    """Returns the parts of a value that may provide its text, in order of preference."""
    if json[0] == _ARRAY:
        elements = elements_with_content(json)
        return elements if len(elements) == 1 and elements[0].times == 1 else []
    if json[0] != _OBJECT:
        return []
    members = parts(json)
    if members.source:
        return members.source + members.value
    return members.labels + members.references + members.flags


def is_workday_id(json: bytes) -> bool:
    """Returns True for a Workday reference of the type WID, an opaque id."""
    # Most values do not have the type anywhere: parse only the others.
    if _WID not in json or json[0] != _OBJECT:
        return False
    members = decode_object(json)
    holders = [members, *(_object_members(members[k]) for k in _ATTRIBUTES if k in members)]
    return any(bytes(holder[k]) == _WID for holder in holders for k in _TYPES if k in holder)


def _object_members(json: msgspec.Raw) -> dict[str, msgspec.Raw]:
    return decode_object(json) if memoryview(json)[0] == _OBJECT else {}
