"""Splits the JSON text of a job's `job_status` into its value and its source value."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from transforms.json import decode_object, decode_string, kind_of


class _Pair(Struct, gc=False):
    """A status in the form of the unified model."""

    value: str | None = None
    source_value: Raw = Raw()


_decode_pair = msgspec.json.Decoder(_Pair).decode


class StatusText(NamedTuple):
    """A job's status as it was sent.

    Attributes:
        job_status_json: Exact JSON text of the whole status, or None if it is missing or null.
        given_value: Its `value`, or None.
        source_value_json: Exact JSON text of its source value, or None if it is missing or null.
        source_value_type: missing, null, boolean, number, string, array or object.
    """

    job_status_json: str | None
    given_value: str | None
    source_value_json: str | None
    source_value_type: str


class WrongTypeError(Exception):
    """The field at a JSON path has a type that it cannot have. Never leaves the parse step."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.path = path


def string_field(fields: dict[str, Raw], name: str, path: str) -> str | None:
    """Reads a field of an object at a JSON path; None if it is missing or null.

    Raises:
        WrongTypeError: It is not a string.
    """
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "null":
        return None
    if kind != "string":
        raise WrongTypeError(f"{path}.{name}", "a string", kind)
    return decode_string(fields[name])


def status_text(raw: bytes, path: str = "$.job_status") -> StatusText:
    """Splits a status.

    A scalar is itself the source value. In an object the source value is `source_value`, or
    `sourceValue` if the first is missing or null. The last of duplicate keys wins.

    Args:
        raw: JSON text of the status; empty if it is missing.
        path: JSON path of the status, for the error.

    Raises:
        WrongTypeError: It is an array, or its `value` is not a string.
    """
    if raw.startswith(b"{"):
        # Nearly every status is such a pair; the general code below handles the others.
        try:
            usual = _decode_pair(raw)
        except msgspec.ValidationError:
            pass
        else:
            source = bytes(usual.source_value)
            if source not in (b"", b"null"):
                return StatusText(raw.decode(), usual.value, source.decode(), kind_of(source))
    kind = kind_of(raw) if raw else "null"
    if kind == "null":
        return StatusText(None, None, None, "missing")
    text = raw.decode()
    if kind == "array":
        raise WrongTypeError(path, "a value, or an object that holds one", kind)
    if kind != "object":
        return StatusText(text, None, text, kind)
    pair = decode_object(raw)
    given = string_field(pair, "value", path)
    for name in ("source_value", "sourceValue"):
        if name in pair and kind_of(pair[name]) != "null":
            source = bytes(pair[name])
            return StatusText(text, given, source.decode(), kind_of(source))
    is_null = "source_value" in pair or "sourceValue" in pair
    return StatusText(text, given, None, "null" if is_null else "missing")
