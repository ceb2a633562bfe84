"""The fields of payloads that the pipeline uses, read one by one."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Raw

from schemas.record_kinds import RecordKind
from transforms.blocks import Context
from transforms.json import decode_string, kind_of
from transforms.parse.raw_status import WrongTypeError, status_text, string_field


class Envelope(NamedTuple):
    """The used fields of an envelope or a page, as texts."""

    event: str | None
    event_date: str | None
    project_id: str | None
    account_id: str | None
    provider: str | None
    record_id: str | None
    record_remote_id: str | None


class Record(NamedTuple):
    """The used fields of a record of any kind, as texts; `status` is JSON, empty if missing."""

    record_type: str
    job_id: str | None
    remote_job_id: str | None
    posting_id: str | None
    remote_posting_id: str | None
    legacy_status: str | None
    created_at: str | None
    updated_at: str | None
    status: bytes


_ENVELOPE_FIELDS = """
    event event_date sent_at project_id account_id provider record_type record_id record_remote_id
    event_data raw_event
"""
_PAGE_FIELDS = "next data raw"
_JOB_FIELDS = """
    id remote_id code title description status job_status department_ids location_ids hiring_team
    interview_stages confidential custom_fields unified_custom_fields created_at updated_at
"""
KNOWN_FIELDS = frozenset(f"{_ENVELOPE_FIELDS} {_PAGE_FIELDS} {_JOB_FIELDS}".split())
"""The fields of envelopes, pages and jobs. An object without any of them is not an event."""


def read_envelope(fields: dict[str, Raw], event: str | None) -> Envelope:
    """Reads an envelope or a page whose event type is already read.

    Raises:
        WrongTypeError: A field has a type that it cannot have.
    """
    return Envelope(
        event=event,
        event_date=_timestamp_field(fields, "event_date"),
        project_id=_id_field(fields, "project_id", "$"),
        account_id=_id_field(fields, "account_id", "$"),
        provider=string_field(fields, "provider", "$"),
        record_id=_id_field(fields, "record_id", "$"),
        record_remote_id=_id_field(fields, "record_remote_id", "$"),
    )


def read_record(kind: RecordKind, fields: dict[str, Raw], path: str, envelope: Envelope) -> Record:
    """Reads a record at a JSON path in an envelope or a page.

    Raises:
        WrongTypeError: A field has a type that it cannot have.
    """
    status = bytes(fields.get(kind.status_key, b""))
    status_text(status, f"{path}.{kind.status_key}")
    ids: dict[str, str | None] = {}
    for column in kind.ids:
        found = (_id_field(fields, key, path) for key in column.keys)
        first = next((each for each in found if each is not None), None)
        if first is None and column.envelope_key is not None:
            first = getattr(envelope, column.envelope_key)
        ids[column.name] = first
    return Record(
        kind.name,
        ids.get("job_id"),
        ids.get("remote_job_id"),
        ids.get("posting_id"),
        ids.get("remote_posting_id"),
        kind.legacy_key and string_field(fields, kind.legacy_key, path),
        _timestamp_field(fields, "created_at"),
        _timestamp_field(fields, "updated_at"),
        status,
    )


def _id_field(fields: dict[str, Raw], name: str, path: str) -> str | None:
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "number":
        return bytes(fields[name]).decode()
    if kind in ("null", "string"):
        return string_field(fields, name, path)
    raise WrongTypeError(f"{path}.{name}", "a string or a number", kind)


def _timestamp_field(fields: dict[str, Raw], name: str) -> str | None:
    """Reads a timestamp. A value of another type is unreadable, but its text is kept."""
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "null":
        return None
    return decode_string(fields[name]) if kind == "string" else bytes(fields[name]).decode()


def job_context(envelope: Envelope, context: Context) -> Context:
    """Returns the context of the jobs in an envelope or a page that has a context itself."""
    own = Context(
        event_type=envelope.event,
        event_date=envelope.event_date,
        project_id=envelope.project_id,
        account_id=envelope.account_id,
        provider=envelope.provider,
    )
    return with_fallback(own, context)


def with_fallback(context: Context, fallback: Context) -> Context:
    """Returns a context with its missing values from another one."""
    return Context(
        context.event_type if context.event_type is not None else fallback.event_type,
        context.event_date if context.event_date is not None else fallback.event_date,
        context.project_id if context.project_id is not None else fallback.project_id,
        context.account_id if context.account_id is not None else fallback.account_id,
        context.provider if context.provider is not None else fallback.provider,
        context.message or fallback.message,
        context.attempt or fallback.attempt,
        context.default_provider or fallback.default_provider,
    )
