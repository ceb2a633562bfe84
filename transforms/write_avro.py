"""WriteAvro: encoded blocks → files of both outputs, staged by every bundle, committed together.

Beam's own Avro sinks are not used: they do not validate, a rerun leaves the files of the last run
beside its own, and they lose rows without a word when streaming.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.avro import RecordName
from transforms import storage
from transforms.avro_files import AvroFile
from transforms.books import Books
from transforms.commit import CommitSettings, commit
from transforms.encode_avro import AvroBlock, EncodedBlock
from transforms.lifeline import Lifeline
from transforms.refusals import carried_to_launcher


class Stager:
    """Stages the blocks of one bundle; the pure part of the sink.

    Args:
        settings: Where and how to write.
    """

    def __init__(self, settings: CommitSettings) -> None:
        self._settings = settings
        self._open: dict[RecordName, AvroFile] = {}
        self._books = Books()

    def add(self, block: EncodedBlock) -> None:
        """Appends what a block holds to the staged files, and its books to those of the bundle.

        Raises:
            OutputError: A file cannot be written.
        """
        self._books.merge(block.books)
        self._books.written += self._append("job_status_event", block.records)
        self._books.dead_lettered += self._append("dead_letter", block.dead_letters)

    def finish(self) -> Books:
        """Closes the files and gives the books of the bundle."""
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


class _Stage(beam.DoFn):
    def __init__(self, settings: CommitSettings, lifeline: Lifeline | None) -> None:
        self._settings = settings
        self._lifeline = lifeline

    def setup(self) -> None:
        if self._lifeline is not None:
            self._lifeline.watch()

    def start_bundle(self) -> None:
        self._stager = Stager(self._settings)

    def process(self, block: EncodedBlock) -> None:
        if self._lifeline is not None:
            self._lifeline.check()
        with carried_to_launcher():
            self._stager.add(block)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        with carried_to_launcher():
            books = self._stager.finish()
        window = GlobalWindow()
        yield WindowedValue(books.to_bytes(), window.start, (window,))


class _Commit(beam.DoFn):
    def __init__(self, settings: CommitSettings) -> None:
        self._settings = settings

    def process(self, grouped: tuple[None, Iterable[bytes]]) -> Iterator[str]:
        with carried_to_launcher():
            yield commit(self._settings, Books.merged(grouped[1]))


class WriteAvro(beam.PTransform):
    """Writes encoded blocks and commits them, all or nothing.

    Args:
        settings: Where and how to write.
        inputs: The books of the inputs, from ReadFiles: what the blocks have to account for.
        lifeline: What ends the workers of a local run with it.

    Returns:
        A collection of one element: the path of the manifest.
    """

    def __init__(
        self,
        settings: CommitSettings,
        inputs: beam.PCollection,
        lifeline: Lifeline | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._inputs = inputs
        self._lifeline = lifeline

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        bundles = blocks | "Stage" >> beam.ParDo(_Stage(self._settings, self._lifeline))
        # Without an element of its own, the commit would not run where nothing was read.
        nothing = blocks.pipeline | "Nothing" >> beam.Create([Books().to_bytes()], reshuffle=False)
        collections: Any = (bundles, self._inputs, nothing)
        return (
            collections
            | beam.Flatten()
            | "Together" >> beam.Map(lambda books: (None, books))
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(_Commit(self._settings))
        )
