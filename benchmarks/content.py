"""Computes digests of the records in an output that ignore their order and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet

ORIGIN = ("source", "source_offset")
"""Fields that are not compared, because some contenders cannot know the offset of an event."""

CHANGED = ("event_id", "source_value", "source_value_json", "source_value_type")
"""Fields that are only compared between exact contenders."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of Avro or Parquet files.

    Attributes:
        records: Number of records.
        digest: Hex digest over the sorted records.
        coarse_digest: The same without the fields in CHANGED.
        bytes: Total size of the files.
        codecs: Codecs of the files.
    """

    records: int
    digest: str
    coarse_digest: str
    bytes: int
    codecs: frozenset[str]

    def is_equal(self, other: Content, *, is_exact: bool) -> bool:
        """Returns whether the records are equal; if not exact, without the fields in CHANGED."""
        if is_exact:
            return self.digest == other.digest
        return self.coarse_digest == other.coarse_digest


def content_of(directory: str | Path) -> Content:
    """Reads all files of a directory, with 32 bytes of memory for each record."""
    paths = [path for path in sorted(Path(directory).iterdir()) if path.suffix in _READERS]
    codecs: set[str] = set()
    digests, coarse = [], []
    for record in records_of(paths, codecs):
        digests.append(_digest(record, ORIGIN))
        coarse.append(_digest(record, (*ORIGIN, *CHANGED)))
    return Content(
        len(digests),
        _combined(digests),
        _combined(coarse),
        sum(path.stat().st_size for path in paths),
        frozenset(codecs),
    )


def records_of(paths: Iterable[Path], codecs: set[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yields the records of Avro and Parquet files, and adds the codecs of the files to a set."""
    for path in paths:
        yield from _READERS[path.suffix](path, set() if codecs is None else codecs)


def _avro(path: Path, codecs: set[str]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        codecs.add(reader.codec)
        yield from reader  # type: ignore[misc]


def _parquet(path: Path, codecs: set[str]) -> Iterator[dict[str, Any]]:
    with pyarrow.parquet.ParquetFile(path) as file:
        codecs.add("parquet")
        for batch in file.iter_batches():
            yield from batch.to_pylist()


_READERS = {".avro": _avro, ".parquet": _parquet}


def _digest(record: dict[str, Any], ignored: Sequence[str]) -> bytes:
    compared = [
        sorted((k, v) for k, v in value.items() if k not in ignored)
        if isinstance(value, dict)
        else value.astimezone(timezone.utc)
        if isinstance(value, datetime)
        else value
        for name, value in record.items()
        if name not in ignored
    ]
    return hashlib.blake2b(repr(compared).encode(), digest_size=16).digest()


def _combined(digests: list[bytes]) -> str:
    return hashlib.blake2b(b"".join(sorted(digests)), digest_size=16).hexdigest()
