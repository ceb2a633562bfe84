"""The fields of payloads that the pipeline uses: as types for a decoder, and read one by one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from schemas.record_kinds import JOB, RecordKind
from transforms.blocks import Context
from transforms.json import decode_string, kind_of
from transforms.parse.raw_status import WrongTypeError, status_text, string_field

# An id that is a number is kept as its text. Other numbers could change their text on the way
# through a Python number, so they are read one by one.
_Id = str | Annotated[int, Meta(ge=1, le=10**18)] | None


class Job(Struct, gc=False):
    """The used fields of a job.

    A record of another kind has a value here that does not decode, so that it is read field by
    field: the status of a posting is an object in `status`.
    """

    id: _Id = None
    remote_id: _Id = None
    job_status: Raw = Raw()
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Payload(Job, gc=False):
    """The used fields of an envelope, of a page, or of a job without an envelope."""

    event: str | None = None
    event_date: str | None = None
    project_id: _Id = None
    account_id: _Id = None
    provider: str | None = None
    record_id: _Id = None
    record_remote_id: _Id = None
    event_data: Job | None = None
    data: Raw | UnsetType = UNSET


class Record(Job, gc=False):
    """The used fields of a record of any kind. `id` and `remote_id` are those of its job."""

    record_type: str = JOB.name
    posting_id: str | None = None
    remote_posting_id: str | None = None


decode_payload = msgspec.json.Decoder(Payload).decode

NO_JOB_FIELDS = Job()
"""A job without a used field. Its text may be empty or hold other fields."""

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


def flat_job(payload: Payload) -> Job | None:
    """Returns a payload without `event_data` as its own job; None if that is not certain."""
    if payload.data is UNSET and (payload.id is not None or payload.event is not None):
        return payload
    return None


def read_envelope(fields: dict[str, Raw], event: str | None) -> Payload:
    """Reads an envelope or a page whose event type is already read.

    Raises:
        WrongTypeError: A field has a type that it cannot have.
    """
    return Payload(
        event=event,
        event_date=_timestamp_field(fields, "event_date"),
        project_id=_id_field(fields, "project_id", "$"),
        account_id=_id_field(fields, "account_id", "$"),
        provider=string_field(fields, "provider", "$"),
        record_id=_id_field(fields, "record_id", "$"),
        record_remote_id=_id_field(fields, "record_remote_id", "$"),
    )


def read_record(
    kind: RecordKind, fields: dict[str, Raw], path: str, envelope: Payload
) -> tuple[Payload, Record]:
    """Reads a record at a JSON path in an envelope or a page.

    Returns:
        The envelope without its ids of the record, and the record with all of its ids.

    Raises:
        WrongTypeError: A field has a type that it cannot have.
    """
    status = fields.get(kind.status_key, Raw())
    status_text(bytes(status), f"{path}.{kind.status_key}")
    ids: dict[str, str | None] = {}
    for column in kind.ids:
        found = (_id_field(fields, key, path) for key in column.keys)
        first = next((each for each in found if each is not None), None)
        if first is None and column.envelope_key is not None:
            first = getattr(envelope, column.envelope_key)
        ids[column.name] = first
    record = Record(
        id=ids.get("job_id"),
        remote_id=ids.get("remote_job_id"),
        job_status=status,
        status=kind.legacy_key and string_field(fields, kind.legacy_key, path),
        created_at=_timestamp_field(fields, "created_at"),
        updated_at=_timestamp_field(fields, "updated_at"),
        record_type=kind.name,
        posting_id=ids.get("posting_id"),
        remote_posting_id=ids.get("remote_posting_id"),
    )
    return replace(envelope, record_id=None, record_remote_id=None), record


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


def job_context(envelope: Payload, context: Context) -> Context:
    """Returns the context of the jobs in an envelope or a page that has a context itself."""
    own = Context(
        event_type=envelope.event,
        event_date=envelope.event_date,
        project_id=None if envelope.project_id is None else str(envelope.project_id),
        account_id=None if envelope.account_id is None else str(envelope.account_id),
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
