"""Makes the events of a block from its rows, one column after the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from transforms.blocks import EventBlock
from transforms.kernel import (
    ACCOUNT_ID,
    CONTEXT_FIELDS,
    END,
    EVENT_TIME,
    JOB_CREATED_AT,
    JOB_ID,
    JOB_UPDATED_AT,
    MISSING,
    POSTING_ID,
    PROJECT_ID,
    REMOTE_JOB_ID,
    REMOTE_POSTING_ID,
    START,
    UNREADABLE,
    FinishedRows,
)
from transforms.normalize.records import JobStatusEvent

_ID_DIGITS = 32

# `JobStatusEvent._make` is a Python function, which takes three times as long.
_event = partial(tuple.__new__, JobStatusEvent)


def events_of(
    block: EventBlock, source: str | None, offsets: list[int]
) -> Iterator[JobStatusEvent]:
    """Yields the events of a derived block, with a source and the offset of each event in it."""
    rows, count = block.events, len(block.events)
    numbers = rows.combinations.tolist()
    combinations = [block.combinations[number] for number in numbers]
    statuses = block.statuses or []
    messages = [each.message for each in block.contexts]
    if any(messages):
        message_of = [messages[number] for number in rows.rows.context_of.tolist()]
    else:
        message_of = [None] * count
    columns: tuple[list[Any], ...] = (
        _ids(rows),
        [each.record_type for each in combinations],
        [each.event_type for each in combinations],
        _times(rows, EVENT_TIME),
        _texts(rows, PROJECT_ID),
        _texts(rows, ACCOUNT_ID),
        [each.provider for each in combinations],
        _texts(rows, JOB_ID),
        _texts(rows, REMOTE_JOB_ID),
        _texts(rows, POSTING_ID),
        _texts(rows, REMOTE_POSTING_ID),
        _times(rows, JOB_CREATED_AT),
        _times(rows, JOB_UPDATED_AT),
        [each.legacy_status for each in combinations],
        [statuses[number] for number in numbers],
        [block.mapping_fingerprint] * count,
        [source] * count,
        offsets,
        [each and each.message_id for each in message_of],
        [each and each.publish_time for each in message_of],
    )
    # One at a time: with a list, the garbage collector takes longer than all of the above.
    return map(_event, zip(*columns, strict=True))


def _ids(rows: FinishedRows) -> list[str]:
    digits = rows.ids.astype("<u8").tobytes().hex()
    return [digits[at : at + _ID_DIGITS] for at in range(0, len(digits), _ID_DIGITS)]


def _times(rows: FinishedRows, time: int) -> list[int | None]:
    return [None if each == UNREADABLE else each for each in rows.times[:, time].tolist()]


def _texts(rows: FinishedRows, field: int) -> list[str | None]:
    """Returns the texts of a field; those of the contexts where the payloads have none."""
    text = rows.rows.text
    # Two flat lists: the garbage collector would follow a list of pairs.
    starts, ends = (rows.rows.places[:, field, side].tolist() for side in (START, END))
    texts = [
        None if start == MISSING else text[start:end].decode()
        for start, end in zip(starts, ends, strict=True)
    ]
    if field < CONTEXT_FIELDS and (rows.contexts.places[:, field, 0] != MISSING).any():
        for row, known in enumerate(texts):
            if known is None:
                beside = rows.text(row, field)
                texts[row] = None if beside is None else beside.decode()
    return texts
