"""Sorts the records of a group by their time, part by part, and writes them to staged files."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

from schemas.avro import RecordName
from transforms.blocks import AvroBlock, StagedFile
from transforms.compact.plan import Plan
from transforms.compact.segments import Segment, read_segment
from transforms.compact.sizes import MICROSECONDS_OF_DAY
from transforms.storage import file_paths
from transforms.write import AvroFile, CommitSettings

_BLOCK_BYTES = 1 << 20
_RAW_DEFLATE = -15


def write_group(
    segments: Iterable[Segment],
    plan: Plan,
    settings: CommitSettings,
    check: Callable[[], None],
) -> list[StagedFile]:
    """Writes the records of a group, sorted by time within each file.

    Args:
        segments: The segments of the group.
        plan: The folder of each record.
        settings: Where and how to write.
        check: Called before each part.

    Raises:
        OutputError: A file cannot be written, or a segment cannot be read.
    """
    by_part: dict[int, list[Segment]] = defaultdict(list)
    for segment in segments:
        by_part[segment.part].append(segment)
    files = _Files(settings)
    for part in sorted(by_part):
        check()
        record: RecordName = "dead_letter" if plan.is_dead_letters(part) else "job_status_event"
        bodies, days = _sorted(by_part[part])
        if plan.own_days is None or plan.folder_of(part, 0) == plan.folder_of(part, 1):
            days = np.zeros(len(days), np.int64)
        bounds = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        for start, end in pairwise(bounds):
            folder = plan.folder_of(part, int(days[start]))
            files.append(record, folder, bodies.slice(start, end - start))
    return files.finish()


def _sorted(segments: list[Segment]) -> tuple[pa.BinaryArray, np.ndarray]:
    """Returns the records of some segments by ascending time, and their days."""
    table = pa.Table.from_batches([read_segment(segment) for segment in segments])
    order = pc.sort_indices(table, [("time", "ascending")], null_placement="at_end")
    times = table.column("time").combine_chunks().take(order)
    bodies = table.column("body").combine_chunks().take(order)
    days = times.fill_null(0).to_numpy() // MICROSECONDS_OF_DAY
    return bodies, days


class _Files:
    """Appends records to a staged file; starts another one for another folder, or when it is full.

    Args:
        settings: Where and how to write.
    """

    def __init__(self, settings: CommitSettings) -> None:
        self._settings = settings
        self._file: AvroFile | None = None
        self._place: tuple[RecordName, str] | None = None
        self._done: list[StagedFile] = []

    def append(self, record: RecordName, folder: str, bodies: pa.BinaryArray) -> None:
        """Appends records in their order."""
        ends = pc.cumulative_sum(pc.binary_length(bodies).cast(pa.int64())).to_numpy()
        start = 0
        while start < len(bodies):
            before = ends[start - 1] if start else 0
            end = max(int(np.searchsorted(ends, before + _BLOCK_BYTES, "right")), start + 1)
            self._append_block(record, folder, bodies.slice(start, end - start))
            start = end

    def finish(self) -> list[StagedFile]:
        """Closes the last file and returns all of them."""
        self._close()
        return self._done

    def _append_block(self, record: RecordName, folder: str, bodies: pa.BinaryArray) -> None:
        if (record, folder) != self._place:
            self._close()
        if self._file is None:
            settings = self._settings
            path = f"{record}-{uuid.uuid4().hex}.avro"
            path = file_paths.join(settings.place(record).staging(settings.run_id), path)
            self._file, self._place = AvroFile(record, path, settings), (record, folder)
        data = _joined(bodies)
        if self._settings.codec == "deflate":
            data = isal_zlib.compress(data, wbits=_RAW_DEFLATE)
        self._file.append(AvroBlock(len(bodies), data))
        if self._file.size >= self._settings.target_file_bytes:
            self._close()

    def _close(self) -> None:
        if self._file is not None and self._place is not None:
            staged = self._file.close()
            staged.folder = self._place[1]
            self._done.append(staged)
        self._file = None


def _joined(bodies: pa.BinaryArray) -> bytes:
    """Returns the bytes of all records, one after another."""
    _, offsets, data = bodies.buffers()
    ends = np.frombuffer(offsets, np.int32)[bodies.offset : bodies.offset + len(bodies) + 1]
    return bytes(data[int(ends[0]) : int(ends[-1])])
