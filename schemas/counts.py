"""Counts events in bounded memory, and checks that the counts balance."""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct, field

Counts = dict[str, int]

OTHER: Final = "other"
"""The name that counts everything beyond a limit."""

NO_NAME: Final = "null"
"""The name that counts what has no name."""

MAX_IGNORED_TYPES: Final = 100
"""Limit of distinct types of ignored events that have their own count."""

MAX_PROVIDERS: Final = 100
"""Limit of distinct providers that have their own count."""

MAX_ACCOUNTS: Final = 100
"""Limit of distinct accounts without a provider that have their own count."""

MAX_SHAPES: Final = 20
"""Limit of distinct shapes of unreadable timestamps that have their own count, for each field."""

MAX_DAYS: Final = 4_000
"""Limit of distinct days that have their own count: eleven years."""


def add_counts(mine: Counts, theirs: Counts, most: int | None = None) -> None:
    """Adds `theirs` to `mine`. If `mine` has `most` names, further names are counted as `OTHER`."""
    for name, count in theirs.items():
        if most is not None and not _has_room(mine, name, most):
            name = OTHER
        mine[name] = mine.get(name, 0) + count


def add_tables(
    mine: dict[str, Counts],
    theirs: dict[str, Counts],
    most: int | None = None,
    most_inner: int | None = None,
) -> None:
    """Adds nested counts to others. `most` limits the outer names, as in `add_counts`."""
    for name, counts in theirs.items():
        if most is not None and not _has_room(mine, name, most):
            name = OTHER
        add_counts(mine.setdefault(name, {}), counts, most_inner)


class Tallies(Struct, kw_only=True):
    """Counts of events in ledgers and manifests.

    Attributes:
        read: Events in the payloads.
        written: Records in the job_status files.
        dead_lettered: Records in the dead_letter files.
        ignored: Envelopes of other event types.
        duplicates: Records that compactions dropped: a record with the same id was committed first.
        deleted: Replayed dead letters whose file was deleted before a compaction.
        by_record_type: Written events by the type of their record: job or job_posting.
        by_value: Written events by value; `null` for none.
        by_source_value_type: Written events by the type of their source value.
        by_derivation: Written events by the kind of rule that derived their value.
        by_provider: Written events by provider, then by value; `null` for none.
        accounts_without_provider: Written events without a provider by account; `null` for none.
        by_day: Written events by the UTC day of their event time; `null` for none.
        by_error_code: Dead letters by error code.
        largest_payload: Bytes of the largest payload over the limit; 0 if none was.
        ignored_by_type: Ignored envelopes by type.
        without_job_id: Written events of jobs without the job's id.
        unreadable_timestamps: Timestamps that are not null and could not be parsed.
        unreadable_by_field: The same by field, then by shape (digits as 9, letters as a).
        assumed_timezone: Timestamps without an offset, parsed in the zone of --assume_timezone.
    """

    read: int = 0
    written: int = 0
    dead_lettered: int = 0
    ignored: int = 0
    duplicates: int = 0
    deleted: int = 0
    by_record_type: Counts = field(default_factory=dict)
    by_value: Counts = field(default_factory=dict)
    by_source_value_type: Counts = field(default_factory=dict)
    by_derivation: Counts = field(default_factory=dict)
    by_provider: dict[str, Counts] = field(default_factory=dict)
    accounts_without_provider: Counts = field(default_factory=dict)
    by_day: Counts = field(default_factory=dict)
    by_error_code: Counts = field(default_factory=dict)
    largest_payload: int = 0
    ignored_by_type: Counts = field(default_factory=dict)
    without_job_id: int = 0
    unreadable_timestamps: int = 0
    unreadable_by_field: dict[str, Counts] = field(default_factory=dict)
    assumed_timezone: int = 0

    def add_tallies(self, other: Tallies) -> None:
        """Adds the counts of other events."""
        for name in (
            *("read", "written", "dead_lettered", "ignored", "duplicates", "deleted"),
            *("without_job_id", "unreadable_timestamps", "assumed_timezone"),
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.largest_payload = max(self.largest_payload, other.largest_payload)
        for name in _BY_NAME:
            add_counts(getattr(self, name), getattr(other, name))
        add_tables(self.by_provider, other.by_provider, MAX_PROVIDERS)
        add_tables(self.unreadable_by_field, other.unreadable_by_field, most_inner=MAX_SHAPES)
        add_counts(self.accounts_without_provider, other.accounts_without_provider, MAX_ACCOUNTS)
        add_counts(self.by_day, other.by_day, MAX_DAYS)
        add_counts(self.ignored_by_type, other.ignored_by_type, MAX_IGNORED_TYPES)


_BY_NAME: Final = (
    *("by_record_type", "by_value", "by_source_value_type", "by_derivation", "by_error_code"),
)


class BalanceCheck(NamedTuple):
    """A check that two numbers are equal."""

    text: str
    expected: int
    found: int

    @property
    def holds(self) -> bool:
        """Returns True if the numbers are equal."""
        return self.expected == self.found


def balance(tallies: Tallies, records: int, dead_letters: int) -> list[BalanceCheck]:
    """Returns every check that the tallies of a run must pass, given the records in its files."""
    written, lettered, ignored = tallies.written, tallies.dead_lettered, tallies.ignored
    outcomes = written + lettered + ignored + tallies.duplicates + tallies.deleted
    by_provider = sum(sum(counts.values()) for counts in tallies.by_provider.values())
    rows = [
        ("events read, and their outcomes", tallies.read, outcomes),
        ("written, and records in files", written, records),
        ("written, by record type", written, sum(tallies.by_record_type.values())),
        ("written, by value", written, sum(tallies.by_value.values())),
        ("written, by provider", written, by_provider),
        ("written, by day", written, sum(tallies.by_day.values())),
        ("written, by derivation", written, sum(tallies.by_derivation.values())),
        ("written, by type of source value", written, sum(tallies.by_source_value_type.values())),
        ("dead letters, and records in files", lettered, dead_letters),
        ("dead letters, by error code", lettered, sum(tallies.by_error_code.values())),
        ("ignored, by type", ignored, sum(tallies.ignored_by_type.values())),
    ]
    return [BalanceCheck(*row) for row in rows]


def _has_room(mine: dict[str, int] | dict[str, Counts], name: str, most: int) -> bool:
    return name in mine or len(mine) - (OTHER in mine) < most
