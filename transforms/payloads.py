"""Finds the job events in payloads: what counts as an event, and what is wrong with the rest.

A payload is an envelope, a job, a page of jobs, or an array of any of them. Nearly all are decoded
straight into `Payload`, which names only the fields that are used. What does not fit, because it is
another shape or is wrong, goes the plain way: field by field, and with the path of what is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from transforms.blocks import Context, Rejection
from transforms.json_text import depth, kind_of, position_of
from transforms.lines import too_large
from transforms.status_text import StatusText, WrongTypeError, status_text

STEP = "ParseEvents"

MAX_DEPTH = 200
"""The deepest nesting that is read. A parser's own limit depends on the stack."""

_MAX_IGNORED_TYPES = 100
_OTHER_TYPES = "other"

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


_ENVELOPE_FIELDS = {"event", "event_date", "sent_at", "project_id", "account_id", "provider"} | {
    "record_type", "record_id", "record_remote_id", "event_data", "raw_event"
}
_PAGE_FIELDS = {"next", "data", "raw"}
_JOB_FIELDS = {"id", "remote_id", "code", "title", "description", "status", "job_status"} | {
    "department_ids", "location_ids", "hiring_team", "interview_stages", "confidential",
    "custom_fields", "unified_custom_fields", "created_at", "updated_at",
}
_KNOWN_FIELDS = frozenset(_ENVELOPE_FIELDS | _PAGE_FIELDS | _JOB_FIELDS)

_decode_payload = msgspec.json.Decoder(Payload).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode
_decode_anything = msgspec.json.Decoder(Raw).decode
_decode_string = msgspec.json.Decoder(str).decode


class Found(NamedTuple):
    """A payload that was found inside another.

    Attributes:
        payload: Its text.
        offset: Where it begins in the source.
        context: What surrounds it says of it.
        is_job: Whether it stands where only a job can stand.
    """

    payload: bytes
    offset: int
    context: Context
    is_job: bool


@dataclass(slots=True)
class Rows:
    """What was found in the payloads of a block, one entry an event in the first six lists.

    Attributes:
        statuses: The distinct statuses, each with its index in `status_texts`.
        pending: Arrays that were found and not yet looked into, the innermost last.
    """

    envelopes: list[Payload] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    status_indices: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    statuses: dict[bytes, int] = field(default_factory=dict)
    status_texts: list[StatusText] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    pending: list[Iterator[Found]] = field(default_factory=list)

    def add(
        self, envelope: Payload, job: Job, payload: bytes, offset: int, context: Context
    ) -> None:
        """Adds an event.

        Raises:
            WrongTypeError: Its status is not of a type that a status can have.
        """
        raw = bytes(job.job_status)
        index = self.statuses.get(raw)
        if index is None:
            text = status_text(raw)
            index = self.statuses[raw] = len(self.status_texts)
            self.status_texts.append(text)
        self.envelopes.append(envelope)
        self.jobs.append(job)
        self.status_indices.append(index)
        self.payloads.append(payload)
        self.offsets.append(offset)
        self.contexts.append(context)

    def only(self, index: int) -> Rows:
        """One of the events, without anything else."""
        one = slice(index, index + 1)
        return Rows(
            self.envelopes[one],
            self.jobs[one],
            self.status_indices[one],
            self.payloads[one],
            self.offsets[one],
            self.contexts[one],
            status_texts=self.status_texts,
        )

    def reject(
        self,
        code: str,
        message: str,
        payload: bytes,
        offset: int,
        context: Context,
        path: str | None = None,
    ) -> None:
        """Adds a rejection, with that part of the context that the payload does not hold."""
        beside = _context_beside(payload, context)
        self.rejections.append(Rejection(code, STEP, path, message, payload, offset, beside))

    def ignore(self, event_type: str) -> None:
        """Counts an envelope of another type; of too many types, only that there were more."""
        if event_type not in self.ignored and len(self.ignored) >= _MAX_IGNORED_TYPES:
            event_type = _OTHER_TYPES
        self.ignored[event_type] = self.ignored.get(event_type, 0) + 1


class EventFinder:
    """Finds the events in payloads.

    Args:
        accepts: Whether events of a type are wanted.
        max_event_bytes: The longest job of a page or element of an array, in bytes.
    """

    def __init__(self, accepts: Callable[[str], bool], max_event_bytes: int) -> None:
        self._accepts = accepts
        self._max_event_bytes = max_event_bytes

    def find(self, payload: bytes, offset: int, context: Context, rows: Rows) -> None:
        """Adds to `rows` exactly one outcome for a payload, or the array in it as pending.

        Args:
            payload: Its bytes, whatever they are.
            offset: Where it begins in its source.
            context: What is known of it beside its text.
            rows: Takes the events, the rejections and the ignored.
        """
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                message = f"byte {error.start} is not valid UTF-8"
                rows.reject("INVALID_UTF8", message, payload, offset, context)
                return
        if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and depth(payload) > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            rows.reject("TOO_DEEP", message, payload, offset, context)
            return
        self._find(payload, offset, context, rows)

    def find_within(self, found: Found, rows: Rows) -> None:
        """Does the same for an element of an array; each can be replayed by itself."""
        size = len(found.payload)
        if size > self._max_event_bytes:
            digest = hashlib.sha256(found.payload).hexdigest()
            rejection = too_large(
                found.payload, found.offset, self._max_event_bytes, size, digest
            )
            rows.rejections.append(replace(rejection, step=STEP, context=found.context))
            return
        kind = kind_of(found.payload)
        if found.is_job and kind != "object":
            message = f"expected an object, found {kind}"
            rows.reject("WRONG_TYPE", message, *found[:3], path="$")
            return
        self._find(*found[:3], rows)

    def _find(self, payload: bytes, offset: int, context: Context, rows: Rows) -> None:
        try:
            envelope = _decode_payload(payload)
        except msgspec.DecodeError:
            self.find_plainly(payload, offset, context, rows)
            return
        if envelope.event_data is not None:
            job: Job = envelope.event_data
        elif envelope.data is UNSET and (envelope.id is not None or envelope.event is not None):
            job = envelope
        else:
            self.find_plainly(payload, offset, context, rows)
            return
        event_type = context.event_type if envelope.event is None else envelope.event
        if event_type is not None and not self._accepts(event_type):
            rows.ignore(event_type)
            return
        try:
            rows.add(envelope, job, payload, offset, context)
        except WrongTypeError:
            self.find_plainly(payload, offset, context, rows)

    def find_plainly(self, payload: bytes, offset: int, context: Context, rows: Rows) -> None:
        """Does the same field by field, for UTF-8 that is not too deep; says where the fault is."""
        try:
            kind = kind_of(payload)
            if kind == "object":
                self._find_in_object(payload, offset, context, rows)
            elif kind == "array":
                rows.pending.append(_elements(payload, payload, offset, context, False))
            else:
                _decode_anything(payload)
                message = "neither an object nor an array"
                rows.reject("NOT_AN_EVENT", message, payload, offset, context)
        except WrongTypeError as error:
            rows.reject("WRONG_TYPE", str(error), payload, offset, context, error.path)
        except msgspec.DecodeError as error:
            code, message = _why_not_json(payload, error)
            rows.reject(code, message, payload, offset, context)

    def _find_in_object(self, payload: bytes, offset: int, context: Context, rows: Rows) -> None:
        fields = _decode_object(payload)
        event = _text(fields, "event", "$")
        event_type = context.event_type if event is None else event
        if event_type is not None and not self._accepts(event_type):
            rows.ignore(event_type)
            return
        if _KNOWN_FIELDS.isdisjoint(fields):
            message = "an object without any field of an envelope, a page or a job"
            rows.reject("NOT_AN_EVENT", message, payload, offset, context)
            return
        envelope = _envelope(fields, event)
        for name in ("event_data", "data"):
            jobs = fields.get(name)
            kind = "missing" if jobs is None else kind_of(jobs)
            if kind == "object":
                job = _job(_decode_object(fields[name]), f"$.{name}")
                rows.add(envelope, job, payload, offset, context)
            elif kind == "array":
                within = _context_within(envelope, context)
                rows.pending.append(_elements(payload, fields[name], offset, within, True))
            elif kind in ("missing", "null"):
                continue
            else:
                raise WrongTypeError(f"$.{name}", "an object or an array", kind)
            return
        if event is None and "data" in fields:
            return  # a page without jobs
        rows.add(envelope, _job(fields, "$"), payload, offset, context)

def _elements(
    payload: bytes, array: bytes | Raw, offset: int, context: Context, are_jobs: bool
) -> Iterator[Found]:
    elements = _decode_array(array)
    return (
        Found(bytes(element), offset + position_of(element, payload), context, are_jobs)
        for element in elements
    )


def _envelope(fields: dict[str, Raw], event: str | None) -> Payload:
    return Payload(
        event=event,
        event_date=_timestamp_text(fields, "event_date"),
        project_id=_id(fields, "project_id", "$"),
        account_id=_id(fields, "account_id", "$"),
        provider=_text(fields, "provider", "$"),
        record_id=_id(fields, "record_id", "$"),
        record_remote_id=_id(fields, "record_remote_id", "$"),
    )


def _job(fields: dict[str, Raw], path: str) -> Job:
    job_status = fields.get("job_status", Raw())
    status_text(bytes(job_status), f"{path}.job_status")
    return Job(
        id=_id(fields, "id", path),
        remote_id=_id(fields, "remote_id", path),
        job_status=job_status,
        status=_text(fields, "status", path),
        created_at=_timestamp_text(fields, "created_at"),
        updated_at=_timestamp_text(fields, "updated_at"),
    )


def _text(fields: dict[str, Raw], name: str, path: str) -> str | None:
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
        return _text(fields, name, path)
    raise WrongTypeError(f"{path}.{name}", "a string or a number", kind)


def _timestamp_text(fields: dict[str, Raw], name: str) -> str | None:
    """A timestamp of another type is unreadable, not wrong; its text still tells events apart."""
    kind = kind_of(fields[name]) if name in fields else "null"
    if kind == "null":
        return None
    return _decode_string(fields[name]) if kind == "string" else bytes(fields[name]).decode()


def _context_within(envelope: Payload, context: Context) -> Context:
    """What an envelope or a page says of each job in it."""
    return Context(
        event_type=context.event_type if envelope.event is None else envelope.event,
        event_date=context.event_date if envelope.event_date is None else envelope.event_date,
        project_id=context.project_id if envelope.project_id is None else str(envelope.project_id),
        account_id=context.account_id if envelope.account_id is None else str(envelope.account_id),
        provider=context.provider if envelope.provider is None else envelope.provider,
    )


_CONTEXT_FIELDS = {
    "event_type": "event",
    "event_date": "event_date",
    "project_id": "project_id",
    "account_id": "account_id",
    "provider": "provider",
}


def _context_beside(payload: bytes, context: Context) -> Context:
    """That part of the context which the payload does not hold itself."""
    try:
        fields = _decode_object(payload)
    except msgspec.DecodeError:
        return context
    held = {
        name: None
        for name, key in _CONTEXT_FIELDS.items()
        if key in fields and kind_of(fields[key]) != "null"
    }
    return replace(context, **held)


def _why_not_json(payload: bytes, error: msgspec.DecodeError) -> tuple[str, str]:
    # The decoder rejects an escaped half of a surrogate pair as it rejects broken JSON; Python's
    # own reader takes one, and nothing else that the decoder does not take.
    try:
        json.loads(payload.decode(), parse_constant=_not_json, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return "INVALID_JSON", str(error)
    return "LONE_SURROGATE", "an escape is half of a surrogate pair, which is no character"


def _not_json(constant: str) -> None:
    raise ValueError(constant)
