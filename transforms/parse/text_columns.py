"""Makes text columns from decoded payloads, one part of a block at a time.

A part is made while its decoded objects are still in the processor's cache: reading their fields
later costs a third more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from transforms.blocks import strings
from transforms.parse.fields import Job, Payload


@dataclass(slots=True)
class TextColumns:
    """The used fields of a block's events as columns of strings, one row per event."""

    _made: list[pa.RecordBatch] = field(default_factory=list)
    _envelopes: list[Payload] = field(default_factory=list)
    _jobs: list[Job] = field(default_factory=list)

    def add(self, envelope: Payload, job: Job) -> None:
        """Adds an event."""
        self._envelopes.append(envelope)
        self._jobs.append(job)

    def add_part(self, envelopes: Sequence[Payload], jobs: Sequence[Job]) -> None:
        """Adds many events and makes their columns now."""
        self._make_held()
        self._made.append(_columns(envelopes, jobs))

    def columns(self) -> dict[str, pa.StringArray]:
        """Returns the columns of all events by name."""
        self._make_held()
        if len(self._made) > 1:
            self._made = [pa.concat_batches(self._made)]
        made = self._made[0] if self._made else _columns([], [])
        return dict(zip(made.schema.names, made.columns, strict=True))

    def _make_held(self) -> None:
        if self._envelopes:
            self._made.append(_columns(self._envelopes, self._jobs))
            self._envelopes, self._jobs = [], []


def _columns(envelopes: Sequence[Payload], jobs: Sequence[Job]) -> pa.RecordBatch:
    columns = {
        "event_type": strings([each.event for each in envelopes]),
        "event_date": strings([each.event_date for each in envelopes]),
        "project_id": _ids([each.project_id for each in envelopes]),
        "account_id": _ids([each.account_id for each in envelopes]),
        "provider": strings([each.provider for each in envelopes]),
        "job_id": _ids([each.id for each in jobs]),
        "remote_job_id": _ids([each.remote_id for each in jobs]),
        "legacy_status": strings([each.status for each in jobs]),
        "created_at": strings([each.created_at for each in jobs]),
        "updated_at": strings([each.updated_at for each in jobs]),
    }
    if columns["job_id"].null_count:
        others = _ids([each.record_id for each in envelopes])
        columns["job_id"] = pc.coalesce(columns["job_id"], others)
    if columns["remote_job_id"].null_count:
        others = _ids([each.record_remote_id for each in envelopes])
        columns["remote_job_id"] = pc.coalesce(columns["remote_job_id"], others)
    return pa.RecordBatch.from_pydict(columns)


def _ids(values: Sequence[Any]) -> pa.StringArray:
    """Makes a column of ids as text. A number of type `_Id` has the same text as its JSON."""
    try:
        return pa.array(values, pa.string())
    except pa.ArrowTypeError:
        return pa.array([None if each is None else str(each) for each in values], pa.string())
