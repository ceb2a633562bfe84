"""Counts the records of a compaction as a run counts its events."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.avro import RecordName
from schemas.counts import NO_NAME, Counts, add_counts
from schemas.record_kinds import JOB
from transforms.blocks import Ledger, shorten, unmapped_key
from transforms.compact.avro_fields import Flags, Records
from transforms.compact.sizes import MICROSECONDS_OF_DAY

_DECIDING = ("derived_from", "source_value", "given_value")


def count_records(record: RecordName, records: Records, kept: Flags) -> Ledger:
    """Returns the counts of the kept records. The others are duplicates."""
    ledger = (
        _of_dead_letters(records, kept) if record == "dead_letter" else _of_events(records, kept)
    )
    ledger.duplicates = len(records) - int(kept.sum())
    return ledger


def _of_dead_letters(records: Records, kept: Flags) -> Ledger:
    codes = Counter(records.texts("error_code").filter(pa.array(kept)).to_pylist())
    return Ledger(dead_lettered=codes.total(), by_error_code=dict(codes))


def _of_events(records: Records, kept: Flags) -> Ledger:
    mask = pa.array(kept)

    def column(name: str) -> pa.Array:
        return records.texts(name).filter(mask)

    provider = column("provider")
    providers, values = _named(provider), _named(column("job_status.value"))
    derivations, kinds = _named(column("job_status.derivation")), _named(column("record_type"))
    nameless = pa.array(~records.valid("job_id")[kept])
    without_provider = provider.is_null()
    ledger = Ledger(
        written=int(kept.sum()),
        by_record_type=kinds.counts(),
        by_value=values.counts(),
        by_source_value_type=_named(column("job_status.source_value_type")).counts(),
        by_derivation=derivations.counts(),
        by_provider=providers.table(values),
        accounts_without_provider=_named(column("account_id").filter(without_provider)).counts(),
        by_day=_by_day(records, kept),
        without_job_id=_named(column("record_type").filter(nameless)).counts().get(JOB.name, 0),
    )
    if "unmapped" in ledger.by_derivation:
        _tally_unmapped(ledger, records, kept)
    return ledger


class _Names(NamedTuple):
    """A column of names: the distinct ones, and the number of each row's name."""

    names: list[str]
    rows: npt.NDArray[np.int64]

    def counts(self) -> Counts:
        """Returns the number of rows with each name."""
        counts: Counts = {}
        numbers = np.bincount(self.rows, minlength=len(self.names)).tolist()
        for name, number in zip(self.names, numbers, strict=True):
            if number:
                add_counts(counts, {name: number})
        return counts

    def table(self, other: _Names) -> dict[str, Counts]:
        """Returns the number of rows with each pair of a name and a name of another column."""
        width = len(other.names)
        # One number encodes both names of a row.
        counts = np.bincount(self.rows * width + other.rows)
        found = np.flatnonzero(counts)
        table: dict[str, Counts] = {}
        for code, count in zip(found.tolist(), counts[found].tolist(), strict=True):
            name, column = self.names[code // width], other.names[code % width]
            add_counts(table.setdefault(name, {}), {column: count})
        return table


def _named(column: pa.Array) -> _Names:
    encoded = column.dictionary_encode(null_encoding="encode")
    names = [NO_NAME if each is None else shorten(each) for each in encoded.dictionary.to_pylist()]
    return _Names(names, encoded.indices.to_numpy().astype(np.int64))


def _by_day(records: Records, kept: Flags) -> Counts:
    times, valid = records.numbers("event_time")
    days, counts = np.unique(times[kept & valid] // MICROSECONDS_OF_DAY, return_counts=True)
    names = days.astype("datetime64[D]").astype(str).tolist()
    by_day = dict(zip(names, counts.tolist(), strict=True))
    missing = int((kept & ~valid).sum())
    return by_day | {NO_NAME: missing} if missing else by_day


def _tally_unmapped(ledger: Ledger, records: Records, kept: Flags) -> None:
    is_unmapped = pc.equal(records.texts("job_status.derivation"), "unmapped")
    mask = pc.and_(is_unmapped, pa.array(kept))
    columns = [records.texts(f"job_status.{name}") for name in _DECIDING]
    columns += [records.texts(name) for name in ("provider", "legacy_status")]
    rows = zip(*(column.filter(mask).to_pylist() for column in columns), strict=True)
    for row, count in Counter(rows).items():
        key = unmapped_key(*row)
        if key is not None:
            ledger.unmapped.add(*key, count)
