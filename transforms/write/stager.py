"""Stages encoded blocks: appends them to files that stay invisible until they are committed."""

from __future__ import annotations

import hashlib
import uuid

from schemas.avro import RecordName
from transforms.blocks import AvroBlock, EncodedBlock, Ledger
from transforms.storage import file_paths
from transforms.write.avro_file import AvroFile
from transforms.write.settings import CommitSettings


class Stager:
    """Stages the blocks of a bundle or of a pane; the part of both sinks that needs no Beam.

    Args:
        settings: Where and how to write.
        repeatable: Whether the same blocks in the same order make the same files, byte for byte.
            The run id must then be unpredictable, as the sync marker is made from it.
    """

    def __init__(self, settings: CommitSettings, *, repeatable: bool = False) -> None:
        self._settings = settings
        self._repeatable = repeatable
        self._count = 0
        self._open: dict[RecordName, AvroFile] = {}
        self._ledger = Ledger()

    def add(self, block: EncodedBlock) -> None:
        """Appends a block to the staged files; raises OutputError if one cannot be written."""
        self._ledger.merge(block.ledger)
        self._ledger.written += self._append("job_status_event", block.records)
        self._ledger.dead_lettered += self._append("dead_letter", block.dead_letters)

    def finish(self) -> Ledger:
        """Closes the files and returns the ledger of all blocks."""
        for record in list(self._open):
            self._close(record)
        return self._ledger

    def _append(self, record: RecordName, block: AvroBlock | None) -> int:
        if block is None:
            return 0
        file = self._open.get(record)
        if file is None:
            file = self._open[record] = self._new_file(record)
        file.append(block)
        if file.size >= self._settings.target_file_bytes:
            self._close(record)
        return block.count

    def _close(self, record: RecordName) -> None:
        self._ledger.files.append(self._open.pop(record).close())

    def _new_file(self, record: RecordName) -> AvroFile:
        settings = self._settings
        self._count += 1
        # A unique name: no other bundle, and no other attempt at this one, writes the same file.
        name = f"{record}-{self._count:05d}-{uuid.uuid4().hex}.avro"
        path = file_paths.join(settings.place(record).staging(settings.run_id), name)
        sync = None
        if self._repeatable:
            sync = hashlib.sha256(f"{settings.run_id} {record} {self._count}".encode()).digest()
        return AvroFile(record, path, settings, sync)
