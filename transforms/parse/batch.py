"""Takes the ordinary payloads of a block all at once; what it leaves is looked at one by one.

Ordinary is an envelope around one job, or a job by itself, that decodes straight into the fields
that are used. The steps are those of `payloads`, but each is done for all payloads before the next:
that costs a few list operations a payload where a call for each would cost several times more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress, repeat
from operator import eq, not_

import msgspec
import numpy as np

from transforms.blocks import Context
from transforms.json import may_be_deeper
from transforms.parse.fields import NO_JOB_FIELDS, Job, Payload, job_itself
from transforms.parse.masking import MAX_DEPTH
from transforms.parse.one_by_one import Rows
from transforms.parse.raw_status import WrongTypeError

_decode = msgspec.json.Decoder(Payload).decode

_PART = 1024
"""Payloads that go through the steps together: few enough for what is decoded of them to be in the
processor's cache from the first step to the last."""

_RUN = 32
"""Payloads that are looked at together: as many as rarely have too many brackets among them, and so
few that they stay in the processor's cache, and what is made of them needs no new memory."""


def add_batch(
    payloads: Sequence[bytes],
    offsets: Sequence[int],
    contexts: Sequence[Context],
    accepts: Callable[[str], bool],
    rows: Rows,
) -> list[int]:
    """Adds to `rows` exactly one outcome for each ordinary payload.

    Args:
        payloads: Their bytes, whatever they are.
        offsets: Where each begins in the source.
        contexts: What is known of each beside its text.
        accepts: Whether events of a type are wanted.
        rows: Takes the events and the ignored.

    Returns:
        The positions of the other payloads, for which nothing was done.
    """
    others: list[int] = []
    for start in range(0, len(payloads), _PART):
        part = slice(start, start + _PART)
        found = _add_part(payloads[part], offsets[part], contexts[part], accepts, rows)
        others += [start + position for position in found]
    return others


def _add_part(
    payloads: Sequence[bytes],
    offsets: Sequence[int],
    contexts: Sequence[Context],
    accepts: Callable[[str], bool],
    rows: Rows,
) -> list[int]:
    envelopes = _decoded(payloads)
    for position in _faulty_or_deep(payloads):
        envelopes[position] = None
    jobs = [each and (each.event_data or job_itself(each)) for each in envelopes]
    others = [position for position, job in enumerate(jobs) if job is None]
    for position, event_type in _unwanted(envelopes, jobs, contexts, accepts):
        rows.ignore(event_type)
        jobs[position] = None
    raw_statuses = [b"" if job is None else bytes(job.job_status) for job in jobs]
    for position in chain(_without_job_fields(jobs), _with_wrong_status(raw_statuses, rows)):
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
            envelopes.append(_decode(payload))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            envelopes.append(None)
    return envelopes


def _faulty_or_deep(payloads: Sequence[bytes]) -> Iterator[int]:
    """The positions of payloads with what the decoder does not look for, or possibly so."""
    for position, payload in compress(enumerate(payloads), _not_ascii(payloads)):
        if not _is_utf8(payload):
            yield position
    for start in range(0, len(payloads), _RUN):
        run = payloads[start : start + _RUN]
        # `[` and `{` differ in one bit; no third character becomes `{` with it.
        is_opening = np.frombuffer(b"".join(run), np.uint8) | 0x20 == ord("{")
        if np.count_nonzero(is_opening) > MAX_DEPTH:
            for position, payload in enumerate(run, start):
                if may_be_deeper(payload, MAX_DEPTH):
                    yield position


def _not_ascii(payloads: Sequence[bytes]) -> Iterator[bool]:
    return map(not_, map(bytes.isascii, payloads))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unwanted(
    envelopes: Sequence[Payload | None],
    jobs: Sequence[Job | None],
    contexts: Sequence[Context],
    accepts: Callable[[str], bool],
) -> list[tuple[int, str]]:
    """The positions of events of other types, with their types."""
    types = {each.event for each in envelopes if each is not None}
    if None in types:
        types.update({context.event_type for context in contexts})
    unwanted = {each for each in types if each is not None and not accepts(each)}
    if not unwanted:
        return []
    return [
        (position, event_type)
        for position, (each, job, context) in enumerate(zip(envelopes, jobs, contexts, strict=True))
        if each is not None
        and job is not None
        and (event_type := context.event_type if each.event is None else each.event) in unwanted
    ]


def _without_job_fields(jobs: Sequence[Job | None]) -> Iterator[int]:
    """The positions of jobs without a used field."""
    return compress(range(len(jobs)), map(eq, jobs, repeat(NO_JOB_FIELDS)))


def _with_wrong_status(raw_statuses: Sequence[bytes], rows: Rows) -> list[int]:
    """Takes the distinct statuses apart; the positions of those of a type that none can have."""
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
