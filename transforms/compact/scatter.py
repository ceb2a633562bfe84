"""Copies the records that are kept to the staged segments of their parts, and counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from transforms.blocks import Ledger
from transforms.compact.avro_fields import Flags, Longs, Records
from transforms.compact.committed_files import SourceFile, records_of
from transforms.compact.counts import count_records
from transforms.compact.duplicates import first_position
from transforms.compact.identity import identities
from transforms.compact.plan import Plan
from transforms.compact.segments import Segment, SegmentFile
from transforms.compact.sizes import days_of, times_of

_FLUSH_BYTES = 48 << 20

Held = list[tuple[pa.BinaryArray, Longs, Longs, Flags]]


def scatter(
    files: Iterable[SourceFile],
    duplicates: Longs,
    plan: Plan,
    directory: str,
    check: Callable[[SourceFile | None], None],
) -> tuple[list[tuple[int, Segment]], Ledger]:
    """Copies the records of some files to staged segments.

    Args:
        files: The files.
        duplicates: The positions of the records to leave out, in ascending order.
        plan: The part and the group of each record.
        directory: The staging directory.
        check: As in `write_identities`.

    Returns:
        Each group's number with a segment of it; and the counts of all records.
    """
    segments: list[tuple[int, Segment]] = []
    ledger = Ledger()
    with SegmentFile(directory) as staged:
        held: Held = []
        size = 0
        for file in files:
            position = first_position(file.number)
            for records in records_of(file):
                check(None)
                positions = np.arange(position, position + len(records))
                position += len(records)
                kept = _not_among(positions, duplicates)
                ledger.merge(count_records(file.record, records, kept))
                held.append(_kept(file, records, kept, plan))
                size += held[-1][0].nbytes
                if size >= _FLUSH_BYTES:
                    segments += _flush(held, plan, staged)
                    held, size = [], 0
            check(file)
        segments += _flush(held, plan, staged)
    return segments, ledger


def _not_among(positions: Longs, duplicates: Longs) -> Flags:
    kept = np.ones(len(positions), np.bool_)
    first, last = np.searchsorted(duplicates, (positions[0], positions[-1] + 1))
    kept[duplicates[first:last] - positions[0]] = False
    return kept


def _kept(
    file: SourceFile, records: Records, kept: Flags, plan: Plan
) -> tuple[pa.BinaryArray, Longs, Longs, Flags]:
    """Returns the kept records: their bytes, parts, times, and whether they have a time."""
    times, valid = times_of(file, records)
    first_words, _ = identities(file.record, records)
    days = days_of(file, times, valid)
    bodies = records.bodies().filter(pa.array(kept))
    parts = plan.parts_of(days[kept], times[kept], first_words[kept])
    return bodies, parts, times[kept], valid[kept]


def _flush(held: Held, plan: Plan, staged: SegmentFile) -> Iterator[tuple[int, Segment]]:
    if not held:
        return
    bodies = pa.concat_arrays([each[0] for each in held])
    parts, times, valid = (np.concatenate(each) for each in [*zip(*held, strict=True)][1:])
    held.clear()
    order = np.argsort(parts, kind="stable")
    numbers, starts = np.unique(parts[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
        rows = order[start:end]
        time = pa.array(times[rows], mask=~valid[rows])
        batch = pa.RecordBatch.from_pydict({"time": time, "body": bodies.take(pa.array(rows))})
        yield int(plan.groups[number]), staged.append(batch, number)
