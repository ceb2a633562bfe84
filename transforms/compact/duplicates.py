"""Finds the records whose identity an earlier record has, without holding all identities at once.

The identities are divided by their value into buckets of about a million, on disk. Each bucket is
sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.compact.avro_fields import Longs
from transforms.compact.committed_files import SourceFile, records_of
from transforms.compact.identity import identities
from transforms.compact.segments import Segment, SegmentFile, read_segment
from transforms.compact.sizes import SizeTally

IDENTITIES_OF_A_BUCKET = 1_000_000

_FLUSH_ROWS = 1_000_000
_NUMBER_BITS = 32

Numbers = npt.NDArray[np.int64]


def first_position(file_number: int) -> int:
    """Returns the position of a file's first record. Positions are in the order of commits."""
    return file_number << _NUMBER_BITS


def write_identities(
    files: Iterable[SourceFile],
    buckets: int,
    directory: str,
    tally: SizeTally,
    check: Callable[[SourceFile | None], None],
) -> list[tuple[int, Segment]]:
    """Writes the identities in some files to staged segments, and tallies the records' sizes.

    Args:
        files: The files.
        buckets: The number of buckets.
        directory: The staging directory.
        tally: Counts the bytes of all records.
        check: Called for each batch of records with None, and after each file with the file.

    Returns:
        Each bucket's number with a segment of it.
    """
    segments: list[tuple[int, Segment]] = []
    with SegmentFile(directory) as staged:
        held: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Longs]] = []
        rows = 0
        for file in files:
            position = first_position(file.number)
            for records in records_of(file):
                check(None)
                first, second = identities(file.record, records)
                tally.add(file, records, first)
                held.append((first, second, np.arange(position, position + len(records))))
                position += len(records)
                rows += len(records)
                if rows >= _FLUSH_ROWS:
                    segments += _flush(held, buckets, staged)
                    held, rows = [], 0
            check(file)
        segments += _flush(held, buckets, staged)
    return segments


def _flush(held: Sequence[tuple], buckets: int, staged: SegmentFile) -> Iterator[tuple]:
    if not held:
        return
    first, second, positions = (np.concatenate(each) for each in zip(*held, strict=True))
    bucket = (first % np.uint64(buckets)).astype(np.int64)
    order = np.argsort(bucket, kind="stable")
    numbers, starts = np.unique(bucket[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
        rows = order[start:end]
        columns = {"first": first[rows], "second": second[rows], "position": positions[rows]}
        yield number, staged.append(pa.RecordBatch.from_pydict(columns))


def find_duplicates(segments: Iterable[Segment]) -> Longs:
    """Returns the positions of the duplicates in a bucket, in ascending order."""
    batches = [read_segment(segment) for segment in segments]
    first, second, position = (
        np.concatenate([batch.column(name).to_numpy() for batch in batches])
        for name in ("first", "second", "position")
    )
    order = np.lexsort((position, second, first))
    first, second = first[order], second[order]
    is_again = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
    return np.sort(position[order][1:][is_again])


def write_duplicates(
    positions: Longs, first_files: Sequence[int], directory: str
) -> list[tuple[int, Segment]]:
    """Writes the positions of duplicates to staged segments, one for each task.

    Args:
        positions: In ascending order.
        first_files: The number of the first file of each task.
        directory: The staging directory.

    Returns:
        Each task's number with its segment.
    """
    if not len(positions):
        return []
    starts = np.array([first_position(number) for number in first_files])
    tasks = np.searchsorted(starts, positions, "right") - 1
    found: list[tuple[int, Segment]] = []
    with SegmentFile(directory) as staged:
        for task in np.unique(tasks).tolist():
            batch = pa.RecordBatch.from_pydict({"position": positions[tasks == task]})
            found.append((task, staged.append(batch)))
    return found


def read_duplicates(segments: Iterable[Segment]) -> Longs:
    """Returns the positions in all segments of a task, in ascending order."""
    found = [read_segment(segment).column("position").to_numpy() for segment in segments]
    return np.sort(np.concatenate(found)) if found else np.array([], np.int64)
