"""Makes the ledger of a block by counting its columns."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.counts import NO_NAME, Counts, add_counts
from transforms.blocks import EventBlock, Ledger, shorten, unmapped_key

_MICROSECONDS_OF_DAY = 24 * 3600 * 1_000_000


def ledger_of(block: EventBlock) -> Ledger:
    """Returns the ledger of a block: its counts and its span. Nothing counts as written yet."""
    ledger = Ledger(
        read=block.read,
        ignored=sum(block.ignored.values()),
        ignored_by_type=block.ignored,
        by_error_code=dict(Counter(each.code for each in block.rejections)),
        unreadable_timestamps=sum(sum(shapes.values()) for shapes in block.unreadable.values()),
        unreadable_by_field=block.unreadable,
        assumed_timezone=block.assumed_timezone,
        pending_acks=[] if block.pending_acks is None else [block.pending_acks],
    )
    ledger.account_for(block.input or block.source, block.span, block.note)
    if not block.events.num_rows:
        return ledger
    status = block.events.column("job_status")
    value, kind, derivation = (
        _named(status.dictionary.field(name)).through(status.indices.to_numpy())
        for name in ("value", "source_value_type", "derivation")
    )
    ledger.by_record_type = _named(block.events.column("record_type")).counts()
    ledger.by_value = value.counts()
    ledger.by_source_value_type = kind.counts()
    ledger.by_derivation = derivation.counts()
    ledger.by_provider = _named(block.events.column("provider")).table(value)
    ledger.without_job_id = _without_job_id(block.events)
    ledger.accounts_without_provider = _accounts_without_provider(block.events)
    ledger.by_day = _by_day(block.events.column("event_time"))
    if "unmapped" in ledger.by_derivation:
        _tally_unmapped(ledger, block)
    return ledger


class _Names(NamedTuple):
    """A column of names: the distinct ones, and the index of each row's name."""

    names: list[str]
    rows: np.ndarray

    def through(self, indices: np.ndarray) -> _Names:
        """Turns the names of a dictionary's values into those of its rows."""
        return _Names(self.names, self.rows[indices])

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
    encoded = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    names = [NO_NAME if each is None else shorten(each) for each in encoded.dictionary.to_pylist()]
    rows = encoded.indices
    if rows.null_count:
        rows, names = rows.fill_null(len(names)), [*names, NO_NAME]
    return _Names(names, rows.to_numpy().astype(np.int64))


def _without_job_id(events: pa.RecordBatch) -> int:
    if not events.column("job_id").null_count:
        return 0
    kinds = events.column("record_type").filter(events.column("job_id").is_null())
    return _named(kinds).counts().get("job", 0)


def _accounts_without_provider(events: pa.RecordBatch) -> Counts:
    providers = events.column("provider")
    if not providers.dictionary.null_count:
        return {}
    rows = providers.dictionary.is_null().take(providers.indices)
    return _named(events.column("account_id").filter(rows)).counts()


def _by_day(times: pa.Array) -> Counts:
    given = times.drop_null() if times.null_count else times
    micros = given.cast(pa.int64()).to_numpy()
    days, counts = np.unique(micros // _MICROSECONDS_OF_DAY, return_counts=True)
    names = days.astype("datetime64[D]").astype(str).tolist()
    by_day = dict(zip(names, counts.tolist(), strict=True))
    return by_day | {NO_NAME: times.null_count} if times.null_count else by_day


def _tally_unmapped(ledger: Ledger, block: EventBlock) -> None:
    columns = [block.events.column(name) for name in ("job_status", "provider", "legacy_status")]
    distinct, *names = (each.dictionary for each in columns)
    indices = [each.indices.to_numpy() for each in columns]
    # The dictionary keeps the values of rejected rows, which may be null.
    is_unmapped = pc.equal(distinct.field("derivation"), "unmapped").fill_null(False)
    rows = is_unmapped.to_numpy(zero_copy_only=False)[indices[0]]
    derived_from, source_values, given_values = (
        distinct.field(name).to_pylist() for name in ("derived_from", "source_value", "given_value")
    )
    providers, legacy_statuses = (each.to_pylist() for each in names)
    counts = Counter(zip(*(each[rows].tolist() for each in indices), strict=True))
    for (index, provider, legacy_status), count in counts.items():
        key = unmapped_key(
            derived_from[index],
            source_values[index],
            given_values[index],
            providers[provider],
            legacy_statuses[legacy_status],
        )
        if key is not None:
            ledger.unmapped.add(*key, count)
