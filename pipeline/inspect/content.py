"""Reads an Avro file to its end: its digest, its blocks and the counts of its records."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, cast

import fastavro

from pipeline.report import counted
from transforms.storage import filesystem

_CHUNK_BYTES = 1 << 20
_METADATA = "job_status."

_EVENT = "job_status.JobStatusEvent"
_DEAD_LETTER = "job_status.DeadLetter"


def _record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [*fields]}


def _nullable(name: str) -> dict[str, Any]:
    return {"name": name, "type": ["null", "string"], "default": None}


_STATUS = {"name": "job_status", "type": _record("job_status.JobStatus", _nullable("value"))}
_TYPE = {"name": "record_type", "type": "string"}
_CODE = {"name": "error_code", "type": "string"}
_COUNTED_FIELDS = {
    _EVENT: fastavro.parse_schema(_record(_EVENT, _TYPE, _nullable("provider"), _STATUS)),
    _DEAD_LETTER: fastavro.parse_schema(_record(_DEAD_LETTER, _nullable("provider"), _CODE)),
}
"""Reader schemas with the counted fields; decoding all fields would take most of the time."""


@dataclass
class Content:
    """The content of a file.

    Attributes:
        size: In bytes.
        sha256: Hex digest of the whole file.
        schema: Full name of the record type, or "" if the header cannot be read.
        metadata: The metadata of job-status without their prefix: schema_version, run_id and so on.
        records: Number of readable records, up to the first damage.
        blocks: Number of blocks that hold them.
        damage: Why the file is not a valid Avro file, or None.
        by_record_type: Records by the type of the record.
        by_value: Events by status value; `null` for none. So is by_provider.
        dead_letters_by_provider: Dead letters by provider; `null` for none.
    """

    path: str
    size: int = 0
    sha256: str = ""
    schema: str = ""
    codec: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    records: int = 0
    blocks: int = 0
    damage: str | None = None
    by_record_type: Counter[str] = field(default_factory=Counter)
    by_value: Counter[str] = field(default_factory=Counter)
    by_provider: Counter[str] = field(default_factory=Counter)
    by_error_code: Counter[str] = field(default_factory=Counter)
    dead_letters_by_provider: Counter[str] = field(default_factory=Counter)


class _DigestedFile:
    """A file that computes its digest while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._position = 0

    def read(self, count: int) -> bytes:
        if count < 0:
            raise ValueError("a negative length")
        # A damaged length can be huge: read in chunks, so that memory is used for real bytes only.
        chunks = []
        while count > 0 and (chunk := self._file.read(min(count, _CHUNK_BYTES))):
            self._digest.update(chunk)
            chunks.append(chunk)
            count -= len(chunk)
            self._position += len(chunk)
        return b"".join(chunks)

    def tell(self) -> int:
        return self._position

    def finish(self) -> tuple[int, str]:
        """Reads to the end, and returns the size and the digest of the whole file."""
        while self.read(_CHUNK_BYTES):
            pass
        return self._position, self._digest.hexdigest()


def content_of(path: str) -> Content:
    """Reads a file to its end; raises InputError if it cannot be opened."""
    content = Content(path)
    with filesystem.open_for_reading(path) as raw:
        file, end = _DigestedFile(raw), None
        # Damaged bytes make a decoder raise any kind of error.
        with suppress(Exception):
            end = _count_blocks(file, content)
        position = file.tell()
        try:
            content.size, content.sha256 = file.finish()
        except filesystem.storage_errors() as error:
            content.damage = f"cannot be read: {filesystem.error_text(error)}"
            return content
    if end != content.size:
        content.damage = _damage(content, is_truncated=position == content.size)
    return content


def _count_blocks(file: _DigestedFile, content: Content) -> int:
    """Counts the records of all blocks, and returns the offset after the last valid block."""
    blocks: Any = fastavro.block_reader(cast(Any, file))
    schema = blocks.writer_schema
    content.schema = schema.get("name", "") if isinstance(schema, dict) else str(schema)
    content.codec = blocks.metadata.get("avro.codec", "null")
    content.metadata = {
        name.removeprefix(_METADATA): value
        for name, value in blocks.metadata.items()
        if name.startswith(_METADATA)
    }
    end = file.tell()
    for block in blocks:
        if content.schema in _COUNTED_FIELDS:
            block.reader_schema = _COUNTED_FIELDS[content.schema]
        # Decode all of a block before it counts.
        _count(content, list(block))
        content.records += block.num_records
        content.blocks += 1
        end = file.tell()
    return end


def _count(content: Content, records: list[Any]) -> None:
    if content.schema not in _COUNTED_FIELDS:
        return
    providers = _names(record["provider"] for record in records)
    if content.schema == _DEAD_LETTER:
        content.by_error_code.update(record["error_code"] for record in records)
        content.dead_letters_by_provider.update(providers)
    else:
        content.by_provider.update(providers)
        content.by_record_type.update(record["record_type"] for record in records)
        content.by_value.update(_names(record["job_status"]["value"] for record in records))


def _names(values: Iterable[str | None]) -> Iterator[str]:
    return ("null" if value is None else value for value in values)


def _damage(content: Content, is_truncated: bool) -> str:
    if not content.schema:
        return "has no header of an Avro file that can be read"
    how = "truncated in the middle of a block," if is_truncated else "overwritten"
    return f"is {how} after {counted(content.records, 'record')}"


def first_rows(path: str, count: int) -> list[dict[str, Any]]:
    """Returns the first records of a file, as many of them as can be read."""
    rows: list[dict[str, Any]] = []
    # `content_of` reports the damage.
    with suppress(Exception), filesystem.open_for_reading(path) as file:
        for record in islice(fastavro.reader(file), count):
            rows.append(record if isinstance(record, dict) else {"record": record})
    return rows
