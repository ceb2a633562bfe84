"""The fields of payloads that are used: as types for the decoder, and read one by one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from transforms.blocks import Context
from transforms.json import kind_of
from transforms.parse.raw_status import WrongTypeError, status_text

# Of a number only its text is kept; one whose text could differ from Python's takes the plain way.
_Id = str | Annotated[int, Meta(ge=1, le=10**18)] | None


class Job(Struct, gc=False):
    """The used fields of a job."""

    id: _Id = None
    remote_id: _Id = None
    job_status: Raw = Raw()
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Payload(Job, gc=False):
    """The used fields of an envelope, of a page, or of a job that is a payload itself."""

    event: str | None = None
    event_date: str | None = None
    project_id: _Id = None
    account_id: _Id = None
    provider: str | None = None
    record_id: _Id = None
    record_remote_id: _Id = None
    event_data: Job | None = None
    data: Raw | UnsetType = UNSET


NO_JOB_FIELDS = Job()
"""A job without a used field. Only its text shows if it is empty or holds other fields."""

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
"""The fields of envelopes, pages and jobs; an object without any of them is none of these."""

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_string = msgspec.json.Decoder(str).decode


def job_itself(payload: Payload) -> Job | None:
    """Returns a payload without `event_data` that is its own job; None if that is not certain."""
    if payload.data is UNSET and (payload.id is not None or payload.event is not None):
        return payload
    return None


def envelope_of(fields: dict[str, Raw], event: str | None) -> Payload:
    """Reads what an object says as an envelope or a page.

    Args:
        fields: Its fields.
        event: Its event type, which is read before the others.

    Raises:
        WrongTypeError: One of them has a type that it cannot have.
    """
    return Payload(
        event=event,
        event_date=_timestamp_text(fields, "event_date"),
        project_id=_id(fields, "project_id", "$"),
        account_id=_id(fields, "account_id", "$"),
        provider=text_of(fields, "provider", "$"),
        record_id=_id(fields, "record_id", "$"),
        record_remote_id=_id(fields, "record_remote_id", "$"),
    )


def job_of(fields: dict[str, Raw], path: str) -> Job:
    """Reads what an object says as a job.

    Args:
        fields: Its fields.
        path: Its own JSON path.

    Raises:
        WrongTypeError: One of them has a type that it cannot have.
    """
    job_status = fields.get("job_status", Raw())
    status_text(bytes(job_status), f"{path}.job_status")
    return Job(
        id=_id(fields, "id", path),
        remote_id=_id(fields, "remote_id", path),
        job_status=job_status,
        status=text_of(fields, "status", path),
        created_at=_timestamp_text(fields, "created_at"),
        updated_at=_timestamp_text(fields, "updated_at"),
    )


def text_of(fields: dict[str, Raw], name: str, path: str) -> str | None:
    """Reads a field that holds text, or nothing.

    Raises:
        WrongTypeError: It holds something else.
    """
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "null":
        return None
    if kind != "string":
        raise WrongTypeError(f"{path}.{name}", "a string", kind)
    return _decode_string(fields[name])


def _id(fields: dict[str, Raw], name: str, path: str) -> str | None:
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "number":
        return bytes(fields[name]).decode()
    if kind in ("null", "string"):
        return text_of(fields, name, path)
    raise WrongTypeError(f"{path}.{name}", "a string or a number", kind)


def _timestamp_text(fields: dict[str, Raw], name: str) -> str | None:
    """A timestamp of another type is unreadable, not wrong; its text still tells events apart."""
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "null":
        return None
    return _decode_string(fields[name]) if kind == "string" else bytes(fields[name]).decode()


def context_within(envelope: Payload, context: Context) -> Context:
    """What an envelope or a page says of each job in it, and what is known of it itself."""
    return filled(
        Context(
            event_type=envelope.event,
            event_date=envelope.event_date,
            project_id=None if envelope.project_id is None else str(envelope.project_id),
            account_id=None if envelope.account_id is None else str(envelope.account_id),
            provider=envelope.provider,
        ),
        context,
    )


def filled(context: Context, other: Context) -> Context:
    """A context, and from another one what it does not say."""
    return Context(
        context.event_type if context.event_type is not None else other.event_type,
        context.event_date if context.event_date is not None else other.event_date,
        context.project_id if context.project_id is not None else other.project_id,
        context.account_id if context.account_id is not None else other.account_id,
        context.provider if context.provider is not None else other.provider,
        context.message or other.message,
        context.attempt or other.attempt,
    )
