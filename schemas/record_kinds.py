"""The kinds of records: jobs and job postings.

A kind is data. The steps read the events of every kind by its definition and name no kind, except
that the fast ways of ParseEvents handle only jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from schemas.mapping import UNMAPPED, VALUES, Rule, Table, normalise_label


class IdColumn(NamedTuple):
    """A column of ids.

    Attributes:
        name: Its name in the records.
        keys: Keys of the id in the JSON object; the first that is not missing or null gives it.
        envelope_key: Key in the envelope around the object, if the object has none of `keys`.
    """

    name: str
    keys: tuple[str, ...]
    envelope_key: str | None = None


@dataclass(frozen=True)
class RecordKind:
    """A kind of records.

    Attributes:
        name: The `record_type` of its records.
        event_types: Shell-style pattern of its event types.
        status_key: Key of its status: a pair of `value` and `source_value`, or a scalar.
        ids: Its ids.
        members: The status that each `value` means, by the normalised text of the value. A value of
            other text is not a member.
        legacy_key: Key of a deprecated status without a source value, or None.
        words: Rules for the words of a source value that mean something else for this kind. They
            come after the rules for its provider and before those for all providers.
        deleted_suffix: End of the event types that mean `deleted` if no field says anything.
    """

    name: str
    event_types: str
    status_key: str
    ids: tuple[IdColumn, ...]
    members: Mapping[str, str]
    legacy_key: str | None = None
    words: tuple[Table, ...] = ()
    deleted_suffix: str = ".deleted"

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys that show that a JSON object is of this kind, if its event type says so."""
        return frozenset({self.status_key, *(key for each in self.ids for key in each.keys)})


JOB: Final = RecordKind(
    name="job",
    event_types="ats_jobs.*",
    status_key="job_status",
    ids=(
        IdColumn("job_id", ("id",), "record_id"),
        IdColumn("remote_job_id", ("remote_id",), "record_remote_id"),
    ),
    members={normalise_label(value): value for value in VALUES if value != UNMAPPED},
    legacy_key="status",
)

_POSTING_WORDS: Final = {
    "live": "published",
    "draft": "draft",
    "pending": "pending",
    "internal": "internal",
    "rejected": "closed",
    "closed": "closed",
    "archived": "archived",
}


def _table(title: str, words: Mapping[str, str]) -> Table:
    rules = {
        word: Rule(value, word, "label", None, "schemas/record_kinds.py")
        for word, value in words.items()
    }
    return Table(title, labels=rules, bare_labels=rules)


POSTING: Final = RecordKind(
    name="job_posting",
    event_types="ats_job_postings.*",
    status_key="status",
    ids=(
        IdColumn("job_id", ("job_id",)),
        IdColumn("remote_job_id", ("remote_job_id", "remote_job_posting_id")),
        IdColumn("posting_id", ("id",), "record_id"),
        IdColumn("remote_posting_id", ("remote_id",), "record_remote_id"),
    ),
    members=_POSTING_WORDS,
    words=(_table("the words of a posting", _POSTING_WORDS),),
)

KINDS: Final = (JOB, POSTING)
"""All kinds. An event type that no kind has counts as one of the first, and so does an object
without an event type that has the status of no other."""
