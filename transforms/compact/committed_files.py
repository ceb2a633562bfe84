"""Reads the records of committed files, and checks that the files are as they were committed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import fastavro
from isal import isal_zlib
from msgspec import Struct

from schemas.avro import RecordName, record_schema
from schemas.errors import InputError
from transforms.compact.avro_fields import NotRecordsError, Records
from transforms.storage import filesystem

_BATCH_BYTES = 4 << 20
"""Blocks of a file are joined up to this size: a stream writes many small ones."""

_RAW_DEFLATE = -15
_CHUNK_BYTES = 1 << 20


class SourceFile(Struct, array_like=True):
    """A committed file that a compaction rewrites.

    Attributes:
        number: Its place in the order of commits.
        path: Its full path.
        record: The kind of its records.
        records: Number of records in it.
        bytes: Its size.
        sha256: Hex digest of its content.
        replayed: Whether it holds dead letters that were replayed.
    """

    number: int
    path: str
    record: RecordName
    records: int
    bytes: int
    sha256: str
    replayed: bool


def records_of(file: SourceFile) -> Iterator[Records]:
    """Reads the records of a file in their order.

    Raises:
        InputError: The file is missing, or is not as it was committed. Raised at its end at the
            latest.
    """
    with filesystem.open_for_reading(file.path) as opened:
        reader = _DigestingReader(opened)
        count = 0
        try:
            for number, data in _batches(reader, file.record):
                count += number
                yield Records(file.record, data, number)
            is_whole = reader.finish() == (file.bytes, file.sha256) and count == file.records
        except InputError:
            raise
        except filesystem.storage_errors() as error:
            raise _damaged(file, filesystem.error_text(error)) from error
        except NotRecordsError as error:
            raise _damaged(file, str(error)) from error
        except Exception as error:
            # Damaged bytes can raise any exception, whose text may hold values of the data.
            raise _damaged(file, "it is damaged") from error
    if not is_whole:
        raise _damaged(file, "it is not the file that was committed")


def _damaged(file: SourceFile, reason: str) -> InputError:
    return InputError(
        f"cannot compact {file.path}: {reason}; nothing was changed",
        "job-status inspect shows what is damaged",
    )


class _DigestingReader:
    """Reads a file once, and computes its size and its digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def read(self, count: int) -> bytes:
        """Reads this number of bytes, fewer at the end."""
        data = self._file.read(count)
        self._digest.update(data)
        self._size += len(data)
        return data

    def finish(self) -> tuple[int, str]:
        """Reads to the end, and returns the size and the digest of the whole file."""
        while self.read(_CHUNK_BYTES):
            pass
        return self._size, self._digest.hexdigest()


def _batches(reader: _DigestingReader, record: RecordName) -> Iterator[tuple[int, bytes]]:
    """Yields the number of some records and their bytes."""
    count, parts, size = 0, list[bytes](), 0
    for number, data in _blocks(reader, record):
        count += number
        parts.append(data)
        size += len(data)
        if size >= _BATCH_BYTES:
            yield count, b"".join(parts)
            count, parts, size = 0, [], 0
    if count:
        yield count, b"".join(parts)


def _blocks(reader: _DigestingReader, record: RecordName) -> Iterator[tuple[int, bytes]]:
    blocks: Any = fastavro.block_reader(cast(Any, reader))
    fingerprint = blocks.metadata.get("job_status.schema_fingerprint")
    if fingerprint != record_schema(record).fingerprint:
        raise NotRecordsError("another version of job-status wrote it")
    is_compressed = blocks.codec == "deflate"
    sync = blocks._header["sync"]
    while (count := _long(reader)) is not None:
        size = _long(reader) or 0
        data = reader.read(size)
        if len(data) != size or reader.read(len(sync)) != sync:
            raise NotRecordsError("it is damaged")
        yield count, isal_zlib.decompress(data, _RAW_DEFLATE) if is_compressed else data


def _long(reader: _DigestingReader) -> int | None:
    """Reads a number in Avro's encoding; returns None at the end of the file."""
    value = shift = 0
    while byte := reader.read(1):
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
    return None
