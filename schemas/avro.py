"""The Avro schemas of the outputs, as they are released."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

VERSION = 1
"""Version of the records this code writes. A released version never changes."""

RecordName = Literal["job_status_event", "dead_letter"]


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """A released schema.

    Attributes:
        name: Which record it describes.
        version: Its version; it stands in the file's name, not in the Avro namespace, because
            a namespace that changes keeps readers in Java and Python from reading old files.
        text: Its JSON, one line.
        parsed: Its JSON as Python values; treat as read-only.
        fingerprint: 16 hex digits over `text`.
    """

    name: RecordName
    version: int
    text: str
    parsed: dict[str, Any]
    fingerprint: str


@cache
def record_schema(name: RecordName, version: int = VERSION) -> RecordSchema:
    """Loads a released schema from the package."""
    file = resources.files(__package__).joinpath(f"{name}.v{version}.avsc")
    parsed = json.loads(file.read_text("utf-8"))
    text = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False)
    fingerprint = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return RecordSchema(name, version, text, parsed, fingerprint)


def listed_values(field: dict[str, Any]) -> list[str] | None:
    """The closed list of a field's values, or None if it may hold anything of its type.

    A list stands beside the type instead of being an Avro enum: several readers fail on nullable
    enums, and others on old and new files together once a symbol was added.
    """
    values: list[str] | None = field.get("values")
    return values


Codec = Literal["deflate", "null"]


def zigzag_varint(number: int) -> bytes:
    """Encodes one long as Avro does.

    Source: Avro specification, binary encoding of int and long.
    """
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
