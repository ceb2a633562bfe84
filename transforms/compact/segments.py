"""Segments: batches of rows in staged files, which are what a compaction shuffles.

Only the place of a segment crosses a GroupByKey, so the memory of a runner does not grow with the
records.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from msgspec import Struct

from schemas.errors import InputError, OutputError
from transforms.storage import file_paths, filesystem

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Segment(Struct, array_like=True):
    """The place of a batch: a file, and its bytes in it.

    `part` is the number of the part of a group that the rows belong to.
    """

    path: str
    offset: int
    bytes: int
    part: int = 0


class SegmentFile:
    """A new file in a staging directory, for many segments. It exists once it holds one.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, directory: str) -> None:
        # A unique name: no other attempt at the same work writes the same file.
        self._path = file_paths.join(directory, f"{uuid.uuid4().hex}.segments")
        self._offset = 0

    def __enter__(self) -> SegmentFile:
        with _write_errors(self._path):
            self._file = filesystem.create(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        with _write_errors(self._path):
            self._file.close()

    def append(self, batch: pa.RecordBatch, part: int = 0) -> Segment:
        """Appends a batch."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as stream:
            stream.write_batch(batch)
        data = sink.getvalue()
        with _write_errors(self._path):
            self._file.write(data.to_pybytes())
        segment = Segment(self._path, self._offset, data.size, part)
        self._offset += data.size
        return segment


def read_segment(segment: Segment) -> pa.RecordBatch:
    """Reads a segment; raises OutputError if its file is gone."""
    try:
        with filesystem.open_for_reading(segment.path) as file:
            file.seek(segment.offset)
            data = file.read(segment.bytes)
    except Exception as error:
        if not isinstance(error, (InputError, *filesystem.storage_errors())):
            raise
        raise OutputError(
            f"cannot read {segment.path}, which this compaction staged; nothing was changed",
            "another run into the same output may have removed it; run again",
        ) from error
    with pa.ipc.open_stream(data) as stream:
        return stream.read_next_batch()


@contextmanager
def _write_errors(path: str) -> Iterator[None]:
    try:
        yield
    except filesystem.storage_errors() as error:
        raise OutputError(
            f"cannot write {path}: {filesystem.error_text(error)}",
            "nothing was changed; make room, then run again",
        ) from error
