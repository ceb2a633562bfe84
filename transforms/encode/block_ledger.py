"""Counts the events of blocks by what the rules said of their combinations."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from schemas.counts import NO_NAME, Counts, add_counts
from schemas.record_kinds import JOB
from transforms.blocks import (
    Combination,
    EventBlock,
    JobStatus,
    Ledger,
    shorten,
    unmapped_key,
)
from transforms.kernel import (
    ACCOUNT_ID,
    EVENT_TIME,
    UNREADABLE,
    WITHOUT_JOB_ID,
    FinishedRows,
    Int32s,
    Int64s,
)

_MICROSECONDS_OF_DAY = 24 * 3600 * 1_000_000

Name = TypeVar("Name", bound=Hashable)


class _Counted(NamedTuple):
    """The distinct combinations of events.

    Attributes:
        numbers: The number of each combination.
        events: The number of its events.
    """

    numbers: Int64s
    events: Int64s


def _counted(combinations: Int32s) -> _Counted:
    events = np.bincount(combinations)
    numbers = np.flatnonzero(events)
    return _Counted(numbers, events[numbers])


class _Tally(Generic[Name]):
    """The name of each combination, and the counts of names in a block."""

    def __init__(self) -> None:
        self._numbers: dict[Name, int] = {}
        self._names: list[Name] = []
        self._number_of = array("i")

    def add(self, name: Name) -> None:
        """Adds the name of the next combination."""
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        self._number_of.append(number)

    def count(self, combinations: Int64s, events: Int64s) -> list[tuple[Name, int]]:
        """Returns the names of distinct combinations, each with the number of its events."""
        names = np.frombuffer(self._number_of, np.int32)[combinations]
        counts = np.bincount(names, events).astype(np.int64)
        found = np.flatnonzero(counts)
        named = map(self._names.__getitem__, found.tolist())
        return list(zip(named, counts[found].tolist(), strict=True))


class BlockTallies:
    """Makes the ledgers of blocks; keeps the names of the combinations that blocks share."""

    def __init__(self) -> None:
        self._values: _Tally[tuple[str, str]] = _Tally()
        self._record_types: _Tally[str] = _Tally()
        self._types: _Tally[str] = _Tally()
        self._derivations: _Tally[str] = _Tally()
        self._unmapped: _Tally[tuple[str | None, str] | None] = _Tally()
        self._without_provider = bytearray()

    def add(self, combination: Combination, status: JobStatus) -> None:
        """Adds the next combination."""
        provider, value = combination.provider, status.value
        self._without_provider.append(provider is None)
        self._values.add(
            (
                NO_NAME if provider is None else shorten(provider),
                NO_NAME if value is None else value,
            )
        )
        self._record_types.add(combination.record_type)
        self._types.add(status.source_value_type)
        self._derivations.add(status.derivation)
        key = None
        if status.derivation == "unmapped":
            key = unmapped_key(
                status.derived_from,
                status.source_value,
                status.given_value,
                provider,
                combination.legacy_status,
            )
        self._unmapped.add(key)

    def ledger_of(self, block: EventBlock) -> Ledger:
        """Returns the ledger of a block: its counts and its span. Nothing counts as written yet."""
        ledger = Ledger(
            read=block.read,
            ignored=sum(block.ignored.values()),
            ignored_by_type=block.ignored,
            by_error_code=dict(Counter(each.code for each in block.rejections)),
            largest_payload=max(
                (each.full_size or 0 for each in block.rejections if each.code == "TOO_LARGE"),
                default=0,
            ),
            unreadable_timestamps=sum(sum(shapes.values()) for shapes in block.unreadable.values()),
            unreadable_by_field=block.unreadable,
            assumed_timezone=block.assumed_timezone,
            pending_acks=[] if block.pending_acks is None else [block.pending_acks],
        )
        ledger.account_for(block.input or block.source, block.span, block.note)
        if not len(block.events):
            return ledger
        combinations = _counted(block.events.combinations)
        for (provider, value), count in self._values.count(*combinations):
            ledger.by_provider.setdefault(provider, {})[value] = count
            ledger.by_value[value] = ledger.by_value.get(value, 0) + count
        ledger.by_record_type = dict(self._record_types.count(*combinations))
        ledger.by_source_value_type = dict(self._types.count(*combinations))
        ledger.by_derivation = dict(self._derivations.count(*combinations))
        nameless = block.events.combinations[(block.events.notes & WITHOUT_JOB_ID) != 0]
        jobs = dict(self._record_types.count(*_counted(nameless)))
        ledger.without_job_id = jobs.get(JOB.name, 0)
        without_provider = np.frombuffer(self._without_provider, np.bool_)
        if without_provider[combinations.numbers].any():
            ledger.accounts_without_provider = _accounts(
                block.events, without_provider[block.events.combinations]
            )
        ledger.by_day = _by_day(block.events.times[:, EVENT_TIME])
        if "unmapped" in ledger.by_derivation:
            for key, count in self._unmapped.count(*combinations):
                if key is not None:
                    ledger.unmapped.add(*key, count)
        return ledger


def _accounts(events: FinishedRows, which: np.ndarray) -> Counts:
    rows = np.flatnonzero(which)
    accounts = Counter(events.text(row, ACCOUNT_ID) for row in rows.tolist())
    counts: Counts = {}
    for account, count in accounts.items():
        add_counts(counts, {NO_NAME if account is None else shorten(account.decode()): count})
    return counts


def _by_day(times: Int64s) -> Counts:
    given = times[times != UNREADABLE]
    days, counts = np.unique(given // _MICROSECONDS_OF_DAY, return_counts=True)
    names = days.astype("datetime64[D]").astype(str).tolist()
    by_day = dict(zip(names, counts.tolist(), strict=True))
    missing = len(times) - len(given)
    return by_day | {NO_NAME: missing} if missing else by_day
