"""Writes Avro object container files out of blocks that are encoded already."""

from __future__ import annotations

import hashlib
import io
import os

import fastavro

from schemas.avro import Codec, RecordName, record_schema, zigzag_varint
from schemas.errors import OutputError
from schemas.version import PIPELINE_VERSION
from transforms.blocks import AvroBlock, StagedFile
from transforms.storage import filesystem

_SYNC_BYTES = 16


class AvroFile:
    """One file, open for blocks to be appended.

    Args:
        output: Which records it holds; also the name of the output it belongs to.
        path: Where to write it.
        codec: Of its blocks.
        run_id: Goes into its metadata.
        mapping_fingerprint: Goes into its metadata.
        sync: What its sync marker is made of; without it, the marker is random.

    Raises:
        OutputError: It cannot be written; so do all methods.
    """

    def __init__(
        self,
        output: RecordName,
        path: str,
        codec: Codec,
        run_id: str,
        mapping_fingerprint: str,
        sync: bytes | None = None,
    ) -> None:
        schema = record_schema(output)
        self._output = output
        self._path = path
        self._sync = os.urandom(_SYNC_BYTES) if sync is None else sync[:_SYNC_BYTES]
        self._digest = hashlib.sha256()
        self._records = 0
        self.size = 0
        """Bytes written so far."""
        metadata = {
            "job_status.schema_version": str(schema.version),
            "job_status.schema_fingerprint": schema.fingerprint,
            "job_status.pipeline_version": PIPELINE_VERSION,
            "job_status.run_id": run_id,
            "job_status.mapping_fingerprint": mapping_fingerprint,
        }
        header = io.BytesIO()
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
        """Makes the file durable and tells what is in it."""
        try:
            filesystem.close_durably(self._file, self._path)
        except filesystem.faults() as error:
            raise self._cannot_write(error) from error
        return StagedFile(
            self._output, self._path, self._records, self.size, self._digest.hexdigest()
        )

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except filesystem.faults() as error:
            raise self._cannot_write(error) from error
        self._digest.update(data)
        self.size += len(data)

    def _cannot_write(self, error: Exception) -> OutputError:
        return OutputError(
            f"cannot write {self._path}: {filesystem.reason(error)}",
            "nothing was committed; make room or choose another --output, then run again",
        )
