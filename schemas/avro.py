"""Loads the released Avro schemas of the outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal

VERSION = 1
"""The version of the records that are written. A released version never changes."""

RecordName = Literal["job_status_event", "dead_letter"]
RECORD_NAMES: tuple[RecordName, ...] = ("job_status_event", "dead_letter")


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """A released schema.

    Attributes:
        name: The record that it describes.
        version: Its version. The file name has it and the Avro namespace does not: with a changed
            namespace, readers in Java and Python cannot read old files.
        text: The schema as JSON on one line.
        parsed: The schema as parsed JSON. Read-only.
        fingerprint: 16 hex digits over `text`.

    Examples:
        >>> from schemas import RecordSchema, record_schema
        >>> isinstance(record_schema("dead_letter"), RecordSchema)
        True
    """

    name: RecordName
    version: int
    text: str
    parsed: dict[str, Any]
    fingerprint: str


@cache
def record_schema(name: RecordName, version: int = VERSION) -> RecordSchema:
    """Loads a released schema from the package.

    Args:
        name: job_status_event or dead_letter.
        version: Version of the schema.

    Returns:
        The schema; the same object at each call.

    Raises:
        FileNotFoundError: No such version was released.

    Examples:
        >>> import fastavro
        >>> from schemas import record_schema
        >>> schema = record_schema("job_status_event")
        >>> [field["name"] for field in schema.parsed["fields"][:3]]
        ['event_id', 'record_type', 'event_type']
        >>> fastavro.parse_schema(schema.parsed)["name"]
        'job_status.JobStatusEvent'
    """
    file = resources.files(__package__).joinpath(f"{name}.v{version}.avsc")
    parsed = json.loads(file.read_text("utf-8"))
    text = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False)
    fingerprint = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return RecordSchema(name, version, text, parsed, fingerprint)


def listed_values(field: dict[str, Any]) -> list[str] | None:
    """Returns the closed list of a field's values, or None if it has no such list.

    The type is not an Avro enum, because several readers fail on nullable enums, and others cannot
    read old and new files together after a symbol was added.
    """
    values: list[str] | None = field.get("values")
    return values


Codec = Literal["deflate", "null"]


def zigzag_varint(number: int) -> bytes:
    """Encodes a long in Avro's binary encoding.

    Source: Avro specification, binary encoding of int and long.
    """
    zigzag = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while zigzag > 0x7F:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


_length = lru_cache(8192)(zigzag_varint)


def avro_bytes(octets: bytes) -> bytes:
    """Encodes bytes in Avro's binary encoding."""
    return _length(len(octets)) + octets


def avro_string(text: str) -> bytes:
    """Encodes a string in Avro's binary encoding."""
    return avro_bytes(text.encode())


def avro_text(text: str | None) -> bytes:
    """Encodes a union of null and string."""
    return b"\x00" if text is None else b"\x02" + avro_string(text)


def avro_encoder(field: dict[str, Any]) -> Callable[[Any], bytes]:
    """Returns the function that encodes the values of a field of a schema.

    The type of the field is one of those below, or a union of null and one of them. The function
    raises an exception for null if the type is no union, and for a value outside the closed list.
    """
    may_be_null = isinstance(field["type"], list)
    kind = field["type"][1] if may_be_null else field["type"]
    encode = _ENCODERS[kind["type"] if isinstance(kind, dict) else kind]

    def encode_union(value: Any) -> bytes:
        return b"\x00" if value is None else b"\x02" + encode(value)

    encode_any = encode_union if may_be_null else encode
    values = listed_values(field)
    if values is None:
        return encode_any
    return {each: encode_any(each) for each in [*values, *[None] * may_be_null]}.__getitem__


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "boolean": {False: b"\x00", True: b"\x01"}.__getitem__,
    "bytes": avro_bytes,
    "int": zigzag_varint,
    "long": zigzag_varint,
    "string": avro_string,
}
