"""Takes a job's `job_status` apart: what was sent as its value and as its source value."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from transforms.json import kind_of


class _Pair(Struct, gc=False):
    """A status as the unified model has it."""

    value: str | None = None
    source_value: Raw = Raw()


_decode_pair = msgspec.json.Decoder(_Pair).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_string = msgspec.json.Decoder(str).decode


class StatusText(NamedTuple):
    """A job's status as it was sent.

    Attributes:
        job_status_json: The exact JSON text of all of it, or None where missing or null.
        given_value: Its `value`, or None.
        source_value_json: The exact JSON text of its source value, or None where missing or null.
        source_value_type: missing, null, boolean, number, string, array or object.
    """

    job_status_json: str | None
    given_value: str | None
    source_value_json: str | None
    source_value_type: str


class WrongTypeError(Exception):
    """A field that is used has a type that it cannot have; goes no further than the parse step.

    Attributes:
        path: JSON path of the field.
    """

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.path = path


def status_text(raw: bytes, path: str = "$.job_status") -> StatusText:
    """Takes a status apart.

    A status that is a scalar is a source value itself. Of a pair, `source_value` counts, or
    `sourceValue` where the first is missing or null; the last of duplicate keys wins.

    Args:
        raw: Its JSON text, or nothing where it is missing.
        path: Its JSON path, for the error.

    Raises:
        WrongTypeError: It is an array, or its `value` is no string.
    """
    if raw.startswith(b"{"):
        # Nearly every status is such a pair; any other goes the way that looks closer.
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
    pair = _decode_object(raw)
    given = None
    if "value" in pair:
        given_kind = kind_of(pair["value"])
        if given_kind == "string":
            given = _decode_string(pair["value"])
        elif given_kind != "null":
            raise WrongTypeError(f"{path}.value", "a string", given_kind)
    for name in ("source_value", "sourceValue"):
        if name in pair and kind_of(pair[name]) != "null":
            source = bytes(pair[name])
            return StatusText(text, given, source.decode(), kind_of(source))
    is_null = "source_value" in pair or "sourceValue" in pair
    return StatusText(text, given, None, "null" if is_null else "missing")
