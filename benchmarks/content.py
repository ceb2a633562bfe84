"""Computes a digest of the records in an output that ignores their order and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro

ORIGIN = ("source", "source_offset")
"""Fields that are not compared, because some contenders cannot know the offset of an event."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of Avro files.

    Attributes:
        records: Number of records.
        digest: Hex digest over the sorted records.
        bytes: Total size of the files.
        codecs: Codecs of the files.
    """

    records: int
    digest: str
    bytes: int
    codecs: frozenset[str]


def content_of(directory: str | Path) -> Content:
    """Reads all Avro files of a directory, with 16 bytes of memory for each record."""
    paths = sorted(Path(directory).glob("*.avro"))
    codecs: set[str] = set()
    digests = sorted(_digest(record) for record in _records(paths, codecs))
    return Content(
        len(digests),
        hashlib.blake2b(b"".join(digests), digest_size=16).hexdigest(),
        sum(path.stat().st_size for path in paths),
        frozenset(codecs),
    )


def _records(paths: Iterable[Path], codecs: set[str]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            codecs.add(reader.codec)
            yield from reader  # type: ignore[misc]


def _digest(record: dict[str, Any]) -> bytes:
    compared = {name: value for name, value in record.items() if name not in ORIGIN}
    return hashlib.blake2b(repr(compared).encode(), digest_size=16).digest()
