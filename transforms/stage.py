"""Stages encoded blocks: appends them to files that nobody sees until they are committed."""

from __future__ import annotations

import uuid

from schemas.avro import RecordName
from transforms import storage
from transforms.avro_files import AvroFile
from transforms.books import Books
from transforms.commit import CommitSettings
from transforms.encode_avro import AvroBlock, EncodedBlock


class Stager:
    """Stages the blocks of a bundle or of a pane; the pure part of both sinks.

    Args:
        settings: Where and how to write.
    """

    def __init__(self, settings: CommitSettings) -> None:
        self._settings = settings
        self._open: dict[RecordName, AvroFile] = {}
        self._books = Books()

    def add(self, block: EncodedBlock) -> None:
        """Appends what a block holds to the staged files, and its books to those kept here.

        Raises:
            OutputError: A file cannot be written.
        """
        self._books.merge(block.books)
        self._books.written += self._append("job_status_event", block.records)
        self._books.dead_lettered += self._append("dead_letter", block.dead_letters)

    def finish(self) -> Books:
        """Closes the files and gives the books of all blocks."""
        for name in list(self._open):
            self._close(name)
        return self._books

    def _append(self, name: RecordName, block: AvroBlock | None) -> int:
        if block is None:
            return 0
        file = self._open.get(name)
        if file is None:
            file = self._open[name] = new_file(name, self._settings)
        file.append(block)
        if file.size >= self._settings.target_file_bytes:
            self._close(name)
        return block.count

    def _close(self, name: RecordName) -> None:
        self._books.files.append(self._open.pop(name).close())


def new_file(name: RecordName, settings: CommitSettings) -> AvroFile:
    """Starts a staged file under a name of its own, so that bundles never meet."""
    directory = settings.place(name).staging(settings.run_id)
    return AvroFile(
        name,
        storage.join(directory, f"{name}-{uuid.uuid4().hex}.avro"),
        settings.codec,
        settings.run_id,
        settings.mapping_fingerprint,
    )
