"""Writes Avro object container files from blocks that are encoded already."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import fastavro

from schemas.avro import RecordName, record_schema, zigzag_varint
from schemas.errors import OutputError
from schemas.version import PIPELINE_VERSION
from transforms.blocks import AvroBlock, StagedFile
from transforms.storage import filesystem
from transforms.write.settings import CommitSettings

_SYNC_BYTES = 16


class AvroFile:
    """A new file, open for blocks to be appended. Raises OutputError if it cannot be written.

    The first 16 bytes of `sync` are the sync marker, which is random if it is None.
    """

    def __init__(
        self, record: RecordName, path: str, settings: CommitSettings, sync: bytes | None = None
    ) -> None:
        schema = record_schema(record)
        self._record, self._path = record, path
        self._sync = os.urandom(_SYNC_BYTES) if sync is None else sync[:_SYNC_BYTES]
        self._digest = hashlib.sha256()
        self._records = 0
        self.size = 0
        """Bytes written so far."""
        metadata = {
            "job_status.schema_version": str(schema.version),
            "job_status.schema_fingerprint": schema.fingerprint,
            "job_status.pipeline_version": PIPELINE_VERSION,
            "job_status.run_id": settings.run_id,
            "job_status.mapping_fingerprint": settings.mapping_fingerprint,
        }
        header = io.BytesIO()
        codec = settings.codec
        fastavro.writer(
            header, schema.parsed, [], codec=codec, metadata=metadata, sync_marker=self._sync
        )
        self._file = filesystem.create(path)
        self._write(header.getvalue())

    def append(self, block: AvroBlock) -> None:
        """Appends a block."""
        start = zigzag_varint(block.count) + zigzag_varint(len(block.data))
        self._write(b"".join((start, block.data, self._sync)))
        self._records += block.count

    def close(self) -> StagedFile:
        """Closes the file durably, and returns its size, digest and number of records."""
        with self._errors():
            filesystem.close_durably(self._file, self._path)
        digest = self._digest.hexdigest()
        return StagedFile(self._record, self._path, self._records, self.size, digest)

    def _write(self, data: bytes) -> None:
        with self._errors():
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except filesystem.storage_errors() as error:
            raise OutputError(
                f"cannot write {self._path}: {filesystem.error_text(error)}",
                "nothing was committed; make room or choose another --output, then run again",
            ) from error
