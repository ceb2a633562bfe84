"""Splits the JSON text of a job's `job_status` into its value and its source value."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from transforms.blocks import NO_STATUS, StatusText
from transforms.json import decode_object, decode_string, kind_of


class _Pair(Struct, gc=False):
    """A status in the form of the unified model."""

    value: str | None = None
    source_value: Raw = Raw()


_decode_pair = msgspec.json.Decoder(_Pair).decode


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
                return StatusText(usual.value, source.decode(), kind_of(source))
    kind = kind_of(raw) if raw else "null"
    if kind == "null":
        return NO_STATUS
    if kind == "array":
        raise WrongTypeError(path, "a value, or an object that holds one", kind)
    if kind != "object":
        return StatusText(None, raw.decode(), kind)
    pair = decode_object(raw)
    given = string_field(pair, "value", path)
    for name in ("source_value", "sourceValue"):
        if name in pair and kind_of(pair[name]) != "null":
            source = bytes(pair[name])
            return StatusText(given, source.decode(), kind_of(source))
    is_null = "source_value" in pair or "sourceValue" in pair
    return StatusText(given, None, "null" if is_null else "missing")
