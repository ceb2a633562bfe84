"""Finds the job events in payloads: what counts as an event, and what is wrong with the rest.

A payload is an envelope, a job, a page of jobs, or an array of any of them. Nearly all are decoded
straight into `Payload`, which names only the fields that are used. What does not fit, because it is
another shape or is wrong, goes the plain way: field by field, and with the path of what is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Raw

from schemas.counts import MAX_IGNORED_TYPES, OTHER
from transforms.blocks import Context, Rejection, context_beside, too_large
from transforms.json import kind_of, spans_of
from transforms.parse.fields import (
    KNOWN_FIELDS,
    NO_JOB_FIELDS,
    Job,
    Payload,
    context_within,
    envelope_of,
    job_itself,
    job_of,
    text_of,
)
from transforms.parse.masking import LONE_SURROGATE, Fault, Mask, fault_of
from transforms.parse.raw_status import StatusText, WrongTypeError, status_text
from transforms.parse.text_columns import TextColumns

STEP = "ParseEvents"

_MAX_TYPE_LENGTH = 256

# The same few statuses come in block after block.
_LONGEST_REMEMBERED = 256
_remembered_status_text = lru_cache(4096)(status_text)

_decode_payload = msgspec.json.Decoder(Payload).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_array = msgspec.json.Decoder(list[Raw]).decode
_decode_anything = msgspec.json.Decoder(Raw).decode


class Found(NamedTuple):
    """A payload that was found inside another.

    Attributes:
        payload: Its text.
        offset: Where it begins in the source.
        context: What surrounds it says of it.
        is_job: Whether it stands where only a job can stand.
        fault: Why it cannot be read, where that is known already.
    """

    payload: bytes
    offset: int
    context: Context
    is_job: bool
    fault: Fault | None = None


@dataclass(slots=True)
class Elements:
    """The elements of an array, to be cut out of the payload around it one at a time.

    Attributes:
        spans: Where each begins and ends in the source.
        start: Where the first begins.
        end: Where the last ends; the same as `start` where there is none.
        context: What surrounds them says of them.
        are_jobs: Whether they stand where only jobs can stand.
        cover: Says what is wrong with those that cannot be read, or None if all can.
    """

    spans: Iterator[tuple[int, int]]
    start: int
    end: int
    context: Context
    are_jobs: bool
    cover: Mask | None = None


@dataclass(slots=True)
class Rows:
    """What was found in the payloads of a block, one entry an event in the first five attributes.

    Attributes:
        texts: What the events say, but for their statuses.
        statuses: The distinct statuses, each with its index in `status_texts`.
        pending: Arrays that were found and not yet looked into, the innermost last.
        whole: The payload that they all stand in, and where it begins in the source: arrays in
            arrays are cut out of it too, so that nesting costs no memory.
    """

    texts: TextColumns = field(default_factory=TextColumns)
    status_indices: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    statuses: dict[bytes, int] = field(default_factory=dict)
    status_texts: list[StatusText] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    pending: list[Elements] = field(default_factory=list)
    whole: tuple[bytes, int] = b"", 0

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
            index = self.add_status(raw)
        self.texts.add(envelope, job)
        self.status_indices.append(index)
        self.payloads.append(payload)
        self.offsets.append(offset)
        self.contexts.append(context)

    def add_status(self, raw: bytes) -> int:
        """Adds a status that is not among those of the block; returns its index.

        Raises:
            WrongTypeError: It is not of a type that a status can have.
        """
        short = len(raw) <= _LONGEST_REMEMBERED
        text = _remembered_status_text(raw) if short else status_text(raw)
        index = self.statuses[raw] = len(self.status_texts)
        self.status_texts.append(text)
        return index

    def continued(self) -> Rows:
        """Takes what is found after these, if they are enough for a block."""
        return Rows(pending=self.pending, whole=self.whole)

    def add_elements(self, elements: Elements, payload: bytes, offset: int) -> None:
        """Adds the elements of an array in a payload, to be looked into later."""
        if not self.pending:
            self.whole = payload, offset
        self.pending.append(elements)

    def next_found(self) -> Found | None:
        """Cuts out the next element that was not yet looked into."""
        while self.pending:
            elements = self.pending[-1]
            span = next(elements.spans, None)
            if span is None:
                self.pending.pop()
                continue
            start, end = span
            whole, offset = self.whole
            fault = None if elements.cover is None else elements.cover.fault(start, end)
            payload = whole[start - offset : end - offset]
            return Found(payload, start, elements.context, elements.are_jobs, fault)
        return None

    def reject(
        self,
        code: str,
        message: str,
        payload: bytes,
        offset: int,
        context: Context,
        path: str | None = None,
    ) -> None:
        """Adds a rejection."""
        self.rejections.append(Rejection(code, STEP, path, message, payload, offset, context))

    def ignore(self, event_type: str) -> None:
        """Counts an envelope of another type; of too many types, only that there were more."""
        is_new = event_type not in self.ignored
        if is_new and (
            len(self.ignored) >= MAX_IGNORED_TYPES or len(event_type) > _MAX_TYPE_LENGTH
        ):
            event_type = OTHER
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
        fault = fault_of(payload)
        if fault is None:
            self.find_plainly(payload, offset, context, rows)
        else:
            self._find_around(fault, payload, offset, context, rows)

    def find_within(self, found: Found, rows: Rows) -> None:
        """Does the same for an element of an array; each can be replayed by itself."""
        payload, offset, context, is_job, fault = found
        size = len(payload)
        # The path tells a replay, which sees the payload alone, that only a job could stand here.
        path = "$" if is_job and kind_of(payload) != "object" else None
        if size > self._max_event_bytes:
            digest = hashlib.sha256(payload).hexdigest()
            rejection = too_large(payload, offset, self._max_event_bytes, size, digest, path)
            if fault is not None:
                # A higher limit would not mend it.
                rejection = replace(rejection, code=fault.code, message=fault.message)
            # Only the head is kept, which does not tell any more what the payload holds.
            beside = context_beside(payload, context)
            rows.rejections.append(replace(rejection, step=STEP, context=beside))
        elif fault is not None:
            rows.reject(fault.code, fault.message, payload, offset, context, path)
        elif path is not None:
            message = f"expected an object, found {kind_of(payload)}"
            rows.reject("WRONG_TYPE", message, payload, offset, context, path)
        else:
            self._find(payload, offset, context, rows)

    def _find(self, payload: bytes, offset: int, context: Context, rows: Rows) -> None:
        try:
            envelope = _decode_payload(payload)
        except msgspec.DecodeError:
            self.find_plainly(payload, offset, context, rows)
            return
        job = envelope.event_data or job_itself(envelope)
        if job is None or job == NO_JOB_FIELDS:
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
            self._find_field_by_field(payload, offset, context, rows)
        except WrongTypeError as error:
            rows.reject("WRONG_TYPE", str(error), payload, offset, context, error.path)
        except msgspec.DecodeError as error:
            fault = Fault("INVALID_JSON", str(error))
            self._find_around(fault, payload, offset, context, rows)

    def _find_around(
        self, fault: Fault, payload: bytes, offset: int, context: Context, rows: Rows
    ) -> None:
        """Rejects a payload with a fault; of a page or an array, only the elements that have it."""
        cover = Mask.of(payload, offset)
        covered = cover.stages[-1]
        if covered == payload:
            rows.reject(fault.code, fault.message, payload, offset, context)
            return
        scratch = Rows()
        try:
            self._find_field_by_field(covered, offset, context, scratch)
        except WrongTypeError:
            pass
        except msgspec.DecodeError:
            rows.reject(fault.code, fault.message, payload, offset, context)
            return
        if fault.code == "INVALID_JSON":
            # The decoder refuses halves of surrogate pairs as it refuses broken JSON.
            fault = LONE_SURROGATE
        if scratch.pending:
            elements = scratch.pending[0]
            start, end = elements.start - offset, elements.end - offset
            if payload[:start] == covered[:start] and payload[end:] == covered[end:]:
                elements.cover = cover
                rows.add_elements(elements, payload, offset)
                return
        rows.reject(fault.code, fault.message, payload, offset, context)

    def _find_field_by_field(
        self, payload: bytes, offset: int, context: Context, rows: Rows
    ) -> None:
        kind = kind_of(payload)
        if kind == "object":
            self._find_in_object(payload, offset, context, rows)
        elif kind == "array":
            elements = _elements(payload, _decode_array(payload), offset, context, False)
            rows.add_elements(elements, payload, offset)
        else:
            _decode_anything(payload)
            message = "neither an object nor an array"
            rows.reject("NOT_AN_EVENT", message, payload, offset, context)

    def _find_in_object(self, payload: bytes, offset: int, context: Context, rows: Rows) -> None:
        fields = _decode_object(payload)
        event = text_of(fields, "event", "$")
        event_type = context.event_type if event is None else event
        if event_type is not None and not self._accepts(event_type):
            rows.ignore(event_type)
            return
        if KNOWN_FIELDS.isdisjoint(fields):
            message = "an object without any field of an envelope, a page or a job"
            rows.reject("NOT_AN_EVENT", message, payload, offset, context)
            return
        envelope = envelope_of(fields, event)
        for name in ("event_data", "data"):
            kind = kind_of(fields[name]) if name in fields else "null"
            if kind == "object":
                if job_fields := _decode_object(fields[name]):
                    job = job_of(job_fields, f"$.{name}")
                    rows.add(envelope, job, payload, offset, context)
                    return
            elif kind == "array":
                if jobs := _decode_array(fields[name]):
                    within = context_within(envelope, context)
                    elements = _elements(payload, jobs, offset, within, True)
                    rows.add_elements(elements, payload, offset)
                    return
            elif kind != "null":
                raise WrongTypeError(f"$.{name}", "an object or an array", kind)
        if event_type is None and "data" in fields and kind != "object":
            return  # a page without jobs
        rows.add(envelope, job_of(fields, "$"), payload, offset, context)


def _elements(
    payload: bytes, elements: list[Raw], offset: int, context: Context, are_jobs: bool
) -> Elements:
    starts, ends = spans_of(elements, payload)
    starts += offset
    ends += offset
    first, last = (int(starts[0]), int(ends[-1])) if len(starts) else (offset, offset)
    spans = ((int(start), int(end)) for start, end in zip(starts, ends, strict=True))
    return Elements(spans, first, last, context, are_jobs)
