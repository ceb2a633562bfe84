"""Finds the job events in one payload, and the reasons why other payloads are not events.

A payload is an envelope, a job, a page of jobs, or an array of these. The kernel finds the events
of ordinary payloads. All others have another shape or a fault: they are read field by field, which
gives the path of a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import Raw

from schemas.counts import MAX_IGNORED_TYPES, OTHER
from schemas.record_kinds import RecordKind
from transforms.blocks import Context, Rejection, context_beside, too_large
from transforms.json import (
    container_spans,
    decode_array,
    decode_object,
    decode_raw,
    kind_of,
    spans_of,
)
from transforms.parse.event_types import EventTypes
from transforms.parse.fields import KNOWN_FIELDS, Envelope, job_context, read_envelope, read_record
from transforms.parse.masking import LONE_SURROGATE, Fault, Mask, find_fault
from transforms.parse.raw_status import WrongTypeError, string_field
from transforms.parse.row_builder import Found, RowBuilder

STEP = "ParseEvents"

_MAX_TYPE_LENGTH = 256

_FOLLOWERS = [re.compile(end + rb"[ \t\r\n]*[\[{]") for end in (rb"\]", rb"\}")]
"""Outside of strings, these are only between arrays or objects that follow one another. A pattern
that starts with one character is searched four times as fast as one for both."""


@dataclass(slots=True)
class Elements:
    """The elements of an array, which are sliced from the payload around it one at a time.

    Attributes:
        spans: Start and end of each element in the source.
        start: Start of the first one.
        end: End of the last one; equal to `start` if the array is empty.
        context: The context of each, from the envelope or page around the array.
        are_jobs: True if each must be a job because of its place.
        mask: Finds the faults of the elements; None if all can be read.
    """

    spans: Iterator[tuple[int, int]]
    start: int
    end: int
    context: Context
    are_jobs: bool
    mask: Mask | None = None


@dataclass(slots=True)
class Outcomes:
    """The outcomes of payloads.

    Attributes:
        rows: The events.
        rejections: The payloads that are not events.
        ignored: Events of other types, counted by type.
        pending: Arrays whose elements are not read yet, the innermost last.
        whole: The payload around all pending arrays, and its offset in the source. Elements of
            arrays in arrays are slices of it too, so that nesting costs no memory.
    """

    rows: RowBuilder = field(default_factory=RowBuilder)
    rejections: list[Rejection] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    pending: list[Elements] = field(default_factory=list)
    whole: tuple[bytes, int] = b"", 0

    def next_block(self) -> Outcomes:
        """Returns empty outcomes that go on with the pending arrays of these."""
        return Outcomes(pending=self.pending, whole=self.whole)

    def add_elements(self, elements: Elements, payload: bytes, offset: int) -> None:
        """Adds the elements of an array in a payload as pending."""
        if not self.pending:
            self.whole = payload, offset
        self.pending.append(elements)

    def next_element(self) -> Found | None:
        """Returns the next element of the pending arrays, or None if none is left."""
        while self.pending:
            elements = self.pending[-1]
            span = next(elements.spans, None)
            if span is None:
                self.pending.pop()
                continue
            start, end = span
            whole, offset = self.whole
            fault = None if elements.mask is None else elements.mask.fault(start, end)
            payload = whole[start - offset : end - offset]
            return Found(payload, start, elements.context, elements.are_jobs, fault)
        return None

    def reject(self, code: str, message: str, found: Found, path: str | None = None) -> None:
        """Adds a rejection of a payload."""
        self.rejections.append(
            Rejection(code, STEP, path, message, found.payload, found.offset, found.context)
        )

    def ignore(self, event_type: str, count: int = 1) -> None:
        """Counts events of another type; after too many distinct types, all under one name."""
        is_new = event_type not in self.ignored
        if is_new and (
            len(self.ignored) >= MAX_IGNORED_TYPES or len(event_type) > _MAX_TYPE_LENGTH
        ):
            event_type = OTHER
        self.ignored[event_type] = self.ignored.get(event_type, 0) + count


class _Event(NamedTuple):
    """The arguments of `read_record`."""

    kind: RecordKind
    fields: dict[str, Raw]
    path: str
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class EventFinder:
    """Finds the events in payloads.

    Attributes:
        event_types: Returns the kind of an event type; None for types that are not wanted.
        max_event_bytes: Longest job of a page or element of an array, in bytes.
    """

    event_types: EventTypes
    max_event_bytes: int

    def find(self, found: Found, outcomes: Outcomes) -> None:
        """Adds to `outcomes` the one outcome of a payload, or the array in it as pending."""
        fault = find_fault(found.payload)
        if fault is None:
            self.find_by_fields(found, outcomes)
        else:
            self._find_masked(fault, found, outcomes)

    def find_in_element(self, found: Found, outcomes: Outcomes) -> None:
        """Adds to `outcomes` the one outcome of an element of an array, or the array in it."""
        payload, offset, context, is_job, fault = found
        size = len(payload)
        # A replay reads the element alone. The path shows that the element must be a job.
        path = "$" if is_job and kind_of(payload) != "object" else None
        if size > self.max_event_bytes:
            # The fields of the payload may be behind the head that is kept.
            beside = context_beside(payload, context)
            rejection = too_large(
                STEP, payload, offset, self.max_event_bytes, path=path, context=beside
            )
            if fault is not None:
                # A higher limit would not remove the fault.
                rejection = rejection._replace(code=fault.code, message=fault.message)
            outcomes.rejections.append(rejection)
        elif fault is not None:
            outcomes.reject(fault.code, fault.message, found, path)
        elif path is not None:
            outcomes.reject(
                "WRONG_TYPE", f"expected an object, found {kind_of(payload)}", found, path
            )
        else:
            self.find_by_fields(found, outcomes)

    def find_by_fields(self, found: Found, outcomes: Outcomes) -> None:
        """Reads a payload field by field. It must be UTF-8 and not nested too deep."""
        try:
            event = self._open(found, outcomes)
            if event is not None:
                outcomes.rows.add(event.envelope, read_record(*event), found)
        except WrongTypeError as error:
            outcomes.reject("WRONG_TYPE", str(error), found, error.path)
        except msgspec.DecodeError as error:
            self._find_masked(Fault("INVALID_JSON", str(error)), found, outcomes)

    def _find_masked(self, fault: Fault, found: Found, outcomes: Outcomes) -> None:
        """Rejects a payload that has a fault; of a page or an array, only the faulty elements.

        Objects that follow one another without a line end are elements as well.
        """
        payload, offset = found.payload, found.offset
        mask = Mask.of(payload, offset)
        masked = mask.stages[-1]
        # The first check is cheap, and enough for nearly all payloads with a fault.
        may_follow = any(each.search(masked) for each in _FOLLOWERS)
        if may_follow and len(spans := container_spans(masked) + offset) > 1:
            first, last = int(spans[0, 0]), int(spans[-1, 1])
            each_span = ((int(start), int(end)) for start, end in spans)
            elements = Elements(each_span, first, last, found.context, found.is_job, mask)
            outcomes.add_elements(elements, payload, offset)
            return
        if masked != payload:
            scratch = Outcomes()
            try:
                self._open(found._replace(payload=masked), scratch)
            except msgspec.DecodeError:
                outcomes.reject(fault.code, fault.message, found)
                return
            except WrongTypeError:
                pass
            if fault.code == "INVALID_JSON":
                # To a decoder, a lone surrogate is invalid JSON.
                fault = LONE_SURROGATE
            if scratch.pending:
                elements = scratch.pending[0]
                start, end = elements.start - offset, elements.end - offset
                if payload[:start] == masked[:start] and payload[end:] == masked[end:]:
                    elements.mask = mask
                    outcomes.add_elements(elements, payload, offset)
                    return
        outcomes.reject(fault.code, fault.message, found)

    def _open(self, found: Found, outcomes: Outcomes) -> _Event | None:
        """Returns the event that a payload is, or adds another outcome."""
        kind = kind_of(found.payload)
        if kind == "object":
            return self._open_object(found, outcomes)
        if kind == "array":
            _add_elements(decode_array(found.payload), found, found.context, False, outcomes)
        else:
            decode_raw(found.payload)
            outcomes.reject("NOT_AN_EVENT", "neither an object nor an array", found)
        return None

    def _open_object(self, found: Found, outcomes: Outcomes) -> _Event | None:
        fields = decode_object(found.payload)
        event = string_field(fields, "event", "$")
        event_type = found.context.event_type if event is None else event
        kind = None if event_type is None else self.event_types(event_type)
        if event_type is not None and kind is None:
            outcomes.ignore(event_type)
            return None
        if KNOWN_FIELDS.isdisjoint(fields) and (kind is None or kind.keys.isdisjoint(fields)):
            message = "an object without any field of an envelope, a page or a job"
            outcomes.reject("NOT_AN_EVENT", message, found)
            return None
        envelope = read_envelope(fields, event)
        record_fields, path = fields, "$"
        for name in ("event_data", "data"):
            json_kind = kind_of(fields[name]) if name in fields else "null"
            if json_kind == "object":
                if inner := decode_object(fields[name]):
                    record_fields, path = inner, f"$.{name}"
                    break
            elif json_kind == "array":
                if jobs := decode_array(fields[name]):
                    _add_elements(jobs, found, job_context(envelope, found.context), True, outcomes)
                    return None
            elif json_kind != "null":
                raise WrongTypeError(f"$.{name}", "an object or an array", json_kind)
        else:
            if event_type is None and "data" in fields and json_kind != "object":
                return None  # a page without jobs
        if kind is None:
            kind = self.event_types.kind_by_fields(record_fields)
        return _Event(kind, record_fields, path, envelope)


def _add_elements(
    elements: list[Raw], found: Found, context: Context, are_jobs: bool, outcomes: Outcomes
) -> None:
    """Adds the elements of an array in a payload as pending."""
    payload, offset = found.payload, found.offset
    starts, ends = spans_of(elements, payload)
    starts += offset
    ends += offset
    first, last = (int(starts[0]), int(ends[-1])) if len(starts) else (offset, offset)
    spans = ((int(start), int(end)) for start, end in zip(starts, ends, strict=True))
    outcomes.add_elements(Elements(spans, first, last, context, are_jobs), payload, offset)
