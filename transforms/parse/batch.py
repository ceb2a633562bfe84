"""Parses the common payloads of a block in bulk. The others are parsed one by one.

Common are an envelope around one job, and a job without an envelope, that decode straight into the
used fields. The steps are those of `one_by_one`, but each step handles all payloads before the next
step: that takes a few list operations per payload, where a call per payload costs several times
more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, compress, repeat
from operator import eq, not_

import msgspec
import numpy as np

from schemas.record_kinds import JOB, RecordKind
from transforms.blocks import Context
from transforms.json import MAX_NESTING, may_be_deeper
from transforms.parse.event_types import EventTypes
from transforms.parse.fields import NO_JOB_FIELDS, Job, Payload, decode_payload, flat_job
from transforms.parse.masking import invalid_utf8
from transforms.parse.one_by_one import Rows
from transforms.parse.raw_status import WrongTypeError

_PART = 1024
"""Payloads that go through all steps together: few enough that the decoded objects stay in the
processor's cache."""

_RUN = 32
"""Payloads whose brackets are counted together: so many rarely have too many brackets in sum, and
so few stay in the processor's cache and need no new memory."""


def add_batch(
    payloads: Sequence[bytes],
    offsets: Sequence[int],
    contexts: Sequence[Context],
    event_types: EventTypes,
    rows: Rows,
) -> list[int]:
    """Adds to `rows` exactly one outcome for each common payload.

    Args:
        payloads: Their bytes, which may be anything.
        offsets: Offset of each in the source, in bytes.
        contexts: The context of each.
        event_types: Returns the kind of an event type; None for types that are not wanted.
        rows: Gets the events and the ignored ones.

    Returns:
        The positions of the other payloads, which have no outcome yet.
    """
    others: list[int] = []
    for start in range(0, len(payloads), _PART):
        part = slice(start, start + _PART)
        found = _add_part(payloads[part], offsets[part], contexts[part], event_types, rows)
        others += [start + position for position in found]
    return others


def _add_part(
    payloads: Sequence[bytes],
    offsets: Sequence[int],
    contexts: Sequence[Context],
    event_types: EventTypes,
    rows: Rows,
) -> list[int]:
    envelopes = _decoded(payloads)
    for position in _faulty_or_deep(payloads):
        envelopes[position] = None
    jobs = [each and (each.event_data or flat_job(each)) for each in envelopes]
    others = [position for position, job in enumerate(jobs) if job is None]
    for position, event_type in _not_of_jobs(envelopes, jobs, contexts, event_types):
        if event_types(event_type) is None:
            rows.ignore(event_type)
        else:
            others.append(position)
        jobs[position] = None
    raw_statuses = [b"" if job is None else bytes(job.job_status) for job in jobs]
    without_fields = compress(range(len(jobs)), map(eq, jobs, repeat(NO_JOB_FIELDS)))
    for position in chain(without_fields, _with_wrong_status(raw_statuses, rows)):
        others.append(position)
        jobs[position] = None
    taken = [job is not None for job in jobs]
    rows.texts.add_part(list(filter(None, compress(envelopes, taken))), list(filter(None, jobs)))
    rows.status_indices.extend(map(rows.statuses.__getitem__, compress(raw_statuses, taken)))
    rows.payloads.extend(compress(payloads, taken))
    rows.offsets.extend(compress(offsets, taken))
    rows.contexts.extend(compress(contexts, taken))
    return sorted(others)


def _decoded(payloads: Sequence[bytes]) -> list[Payload | None]:
    envelopes: list[Payload | None] = []
    for payload in payloads:
        try:
            envelopes.append(decode_payload(payload))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            envelopes.append(None)
    return envelopes


def _faulty_or_deep(payloads: Sequence[bytes]) -> Iterator[int]:
    """Yields the positions of payloads that are not UTF-8 or may be nested too deep."""
    # The decoder checks neither.
    is_not_ascii = map(not_, map(bytes.isascii, payloads))
    for position, payload in compress(enumerate(payloads), is_not_ascii):
        if invalid_utf8(payload) is not None:
            yield position
    for start in range(0, len(payloads), _RUN):
        run = payloads[start : start + _RUN]
        # `[` and `{` differ in one bit, and with this bit set no other character equals `{`.
        is_opening = np.frombuffer(b"".join(run), np.uint8) | 0x20 == ord("{")
        if np.count_nonzero(is_opening) > MAX_NESTING:
            for position, payload in enumerate(run, start):
                if may_be_deeper(payload, MAX_NESTING):
                    yield position


def _not_of_jobs(
    envelopes: Sequence[Payload | None],
    jobs: Sequence[Job | None],
    contexts: Sequence[Context],
    event_types: EventTypes,
) -> list[tuple[int, str]]:
    """Returns the positions of events that are not wanted or not of jobs, with their types."""
    types = {each.event for each in envelopes if each is not None}
    if None in types:
        types.update({context.event_type for context in contexts})
    others = {each for each in types if each is not None and not _is_of_jobs(event_types(each))}
    if not others:
        return []
    return [
        (position, event_type)
        for position, (each, job, context) in enumerate(zip(envelopes, jobs, contexts, strict=True))
        if each is not None
        and job is not None
        and (event_type := context.event_type if each.event is None else each.event) in others
    ]


def _is_of_jobs(kind: RecordKind | None) -> bool:
    return kind is not None and kind.name == JOB.name


def _with_wrong_status(raw_statuses: Sequence[bytes], rows: Rows) -> list[int]:
    """Adds the distinct statuses; returns the positions of those whose type is wrong."""
    wrong = set()
    for raw in dict.fromkeys(raw_statuses):
        if raw not in rows.statuses:
            try:
                rows.add_status(raw)
            except WrongTypeError:
                wrong.add(raw)
    if not wrong:
        return []
    return [position for position, raw in enumerate(raw_statuses) if raw in wrong]
