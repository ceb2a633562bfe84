"""Stages encoded blocks: appends them to files that nobody sees until they are committed."""

from __future__ import annotations

import hashlib
import uuid

from schemas.avro import RecordName
from transforms.blocks import AvroBlock, EncodedBlock, Ledger
from transforms.storage import file_paths
from transforms.write.avro_file import AvroFile
from transforms.write.commit import CommitSettings


class Stager:
    """Stages the blocks of a bundle or of a pane; the pure part of both sinks.

    Args:
        settings: Where and how to write.
        repeatable: Whether the same blocks in the same order shall make the same files, byte for
            byte, whoever stages them; the run id must then be one that nobody can foresee.
    """

    def __init__(self, settings: CommitSettings, *, repeatable: bool = False) -> None:
        self._settings = settings
        self._repeatable = repeatable
        self._count = 0
        self._open: dict[RecordName, AvroFile] = {}
        self._books = Ledger()

    def add(self, block: EncodedBlock) -> None:
        """Appends what a block holds to the staged files, and its books to those kept here.

        Raises:
            OutputError: A file cannot be written.
        """
        self._books.merge(block.ledger)
        self._books.written += self._append("job_status_event", block.records)
        self._books.dead_lettered += self._append("dead_letter", block.dead_letters)

    def finish(self) -> Ledger:
        """Closes the files and gives the books of all blocks."""
        for name in list(self._open):
            self._close(name)
        return self._books

    def _append(self, name: RecordName, block: AvroBlock | None) -> int:
        if block is None:
            return 0
        file = self._open.get(name)
        if file is None:
            file = self._open[name] = self._new_file(name)
        file.append(block)
        if file.size >= self._settings.target_file_bytes:
            self._close(name)
        return block.count

    def _close(self, name: RecordName) -> None:
        self._books.files.append(self._open.pop(name).close())

    def _new_file(self, name: RecordName) -> AvroFile:
        """Starts a staged file under a name of its own, so that bundles never meet."""
        settings = self._settings
        self._count += 1
        base = f"{name}-{self._count:05d}-{uuid.uuid4().hex}.avro"
        sync = None
        if self._repeatable:
            sync = hashlib.sha256(f"{settings.run_id} {name} {self._count}".encode()).digest()
        return AvroFile(
            name,
            file_paths.join(settings.place(name).staging(settings.run_id), base),
            settings.codec,
            settings.run_id,
            settings.mapping_fingerprint,
            sync,
        )
