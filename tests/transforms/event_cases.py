"""Payloads of every kind for tests, and a reference reader that the parser is compared with."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any, NoReturn

import fastavro
import numpy as np
from hypothesis import strategies as st

from schemas.avro import record_schema
from tests.transforms.runs import status_deriver
from transforms.blocks.block import AvroBlock, EventBlock, RawBlock
from transforms.blocks.context import NO_CONTEXT, Context
from transforms.blocks.rejection import Rejection
from transforms.blocks.status import JobStatus
from transforms.derive.derive_job_status import StatusDeriver
from transforms.encode.encode_avro import BlockEncoder
from transforms.kernel import Payloads
from transforms.parse.event_types import EventTypes
from transforms.parse.fields import KNOWN_FIELDS
from transforms.parse.one_by_one import EventFinder, Outcomes
from transforms.parse.parse_events import EventParser, RowFinisher
from transforms.parse.row_builder import Found

SOURCE = "/in/events.jsonl"

# JSON texts that are known to be hard for parsers.
NUMBERS = ["0", "-0", "1", "12", "1.0", "1e5", "1E+5", "-7", "1e400", "0.1", "9" * 40]
STRINGS = ['""', r'"\u0000"', r'"\ud83d\ude00"', '"é😀"', r'"\\ud800"', r'"\/\b\"[{"', '"]}"']
LONE = [r'"\ud800"', r'"a\udc00b"', r'"\ud800\u0041"', r'"\udc00\ud800"', r'"\ud800\\udc00"']

_WHITE = st.sampled_from(["", "", " ", "\n\t "])


def _text(value: str, in_ascii: bool) -> str:
    return json.dumps(value, ensure_ascii=in_ascii)


_strings = st.sampled_from(STRINGS) | st.builds(
    _text, st.text(st.characters(exclude_categories=["Cs"]), max_size=6), st.booleans()
)
_numbers = st.sampled_from(NUMBERS) | st.integers().map(str)
_constants = st.sampled_from(["null", "true", "false"])


@st.composite
def _arrays(draw: st.DrawFn, elements: st.SearchStrategy[str], max_size: int = 3) -> str:
    white = draw(_WHITE)
    return "[" + f"{white},".join(draw(st.lists(elements, max_size=max_size))) + f"{white}]"


@st.composite
def _objects(draw: st.DrawFn, members: st.SearchStrategy[tuple[str, str]]) -> str:
    """Generates objects, also with duplicate keys and with escapes in keys."""
    white = draw(_WHITE)
    pairs = []
    for key, value in draw(st.lists(members, max_size=6)):
        name = json.dumps(key)
        if key and draw(st.integers(0, 9)) == 0:
            name = f'"\\u{ord(key[0]):04x}' + name[2:] if key[0].isascii() else name
        pairs.append(f"{white}{name}{white}:{white}{value}")
    return "{" + f"{white},".join(pairs) + white + "}"


def _json_of(scalars: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.text("abé", max_size=2) | st.sampled_from(["id", "value", "event", "label"])
    return st.recursive(
        scalars,
        lambda inner: _arrays(inner) | _objects(st.tuples(keys, inner)),
        max_leaves=6,
    )


JSON = _json_of(_constants | _numbers | _strings)
"""JSON texts of every type."""

_likely_or_any = _strings | _strings | _numbers | _constants | JSON
_event_types = st.sampled_from(
    ['"ats_jobs.updated"', '"ats_jobs.deleted"', '"ats_job_postings.x"', '"hris.x"', "null", "5"]
)
EMPTIES = ["null", "[]", "{}", "[ ]", "{\n}"]
"""Values of `event_data` and `data` that hold no job."""

_dates = st.sampled_from(['"2025-05-01T10:00:00Z"', '"soon"', "null", "5", "[]", '""'])


def _pairs(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    texts = st.sampled_from(['"open"', "null", "1", "[]"]) | values
    statuses = values | _objects(
        st.tuples(st.just("value"), texts)
        | st.tuples(st.sampled_from(["source_value", "sourceValue"]), values)
    )
    return (
        st.tuples(st.sampled_from(["id", "remote_id"]), values)
        | st.tuples(st.sampled_from(["job_id", "remote_job_id", "remote_job_posting_id"]), values)
        | st.tuples(st.sampled_from(["job_status", "status"]), statuses)
        | st.tuples(st.sampled_from(["created_at", "updated_at"]), _dates)
        | st.tuples(st.just("status"), texts)
        | st.tuples(st.sampled_from(["title", "unknown", ""]), values)
    )


def payloads_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Generates payloads of all forms that hold some values."""
    job_pairs = _pairs(values)
    jobs = _objects(job_pairs)
    ids = st.sampled_from(["project_id", "account_id", "record_id", "record_remote_id"])
    pairs = (
        st.tuples(st.just("event"), _event_types)
        | st.tuples(st.just("event_date"), _dates)
        | st.tuples(st.just("provider"), st.sampled_from(['"lever"', "null", "1"]))
        | st.tuples(ids, values)
        | job_pairs
        | st.tuples(
            st.sampled_from(["event_data", "data"]),
            jobs | jobs | _arrays(jobs | values, 4) | st.sampled_from(EMPTIES) | values,
        )
    )
    return st.recursive(
        _objects(pairs),
        lambda inner: (
            _arrays(inner | values, 4)
            | _objects(pairs | st.tuples(st.just("data"), _arrays(inner, 3)))
        ),
        max_leaves=4,
    )


PAYLOADS = payloads_of(_likely_or_any)
"""Readable JSON payloads, valid and invalid ones."""

PAYLOADS_WITH_LONE_SURROGATES = payloads_of(_likely_or_any | st.sampled_from(LONE))
"""The same, possibly with lone surrogates."""


@st.composite
def broken(
    draw: st.DrawFn, payloads: st.SearchStrategy[str] = PAYLOADS_WITH_LONE_SURROGATES
) -> bytes:
    """Generates payloads with a few bytes changed, added or removed."""
    data = bytearray(draw(payloads).encode())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = start + draw(st.integers(0, 2))
        data[start:stop] = draw(
            st.sampled_from([b"", b'"', b"[", b"}", b"\\", b"\xff", b"NaN", b"\0"])
        )
    return bytes(data)


JOBS_AND_POSTINGS = EventTypes(("ats_job*",))


def event_finder(max_event_bytes: int = 10_000_000) -> EventFinder:
    return EventFinder(JOBS_AND_POSTINGS, max_event_bytes)


def found_in(
    payload: bytes,
    *,
    context: Context = NO_CONTEXT,
    offset: int = 0,
    finder: EventFinder | None = None,
) -> Outcomes:
    """Returns all outcomes of a payload that is read one by one."""
    finder = finder or event_finder()
    rows = Outcomes()
    finder.find(Found(payload, offset, context), rows)
    while (element := rows.next_element()) is not None:
        finder.find_in_element(element, rows)
    return rows


def events_in(payload: bytes | str, **options: Any) -> list[dict[str, Any]]:
    """Returns the events of a payload that has no other outcomes, as rows."""
    rows = found_in(payload.encode() if isinstance(payload, str) else payload, **options)
    assert not rows.rejections and not rows.ignored
    return rows_of(rows)


def records_of(block: AvroBlock | None, name: str = "job_status_event") -> list[dict[str, Any]]:
    """Decodes a block without compression."""
    if block is None:
        return []
    body = io.BytesIO(block.data)
    schema = record_schema("dead_letter" if name == "dead_letter" else "job_status_event").parsed
    records = [fastavro.schemaless_reader(body, schema, None) for _ in range(block.count)]
    assert not body.read(), "there are bytes after the last record"
    return [record for record in records if isinstance(record, dict)]


def events_of(*blocks: EventBlock, step: StatusDeriver | None = None) -> list[dict[str, Any]]:
    """Returns the records of parsed blocks."""
    step = step or status_deriver()
    encoder = BlockEncoder("null", "full", 10_000_000)
    return [
        record
        for block in blocks
        for record in records_of(encoder.encode(step.derive(block)).records)
    ]


def rows_of(found: Outcomes) -> list[dict[str, Any]]:
    """Returns the records of events that were found one by one."""
    if not len(found.rows):
        return []
    finisher = RowFinisher(JOBS_AND_POSTINGS)
    events, decisions = finisher.finish(found.rows.rows(), found.rows.contexts)
    assert not decisions.any()
    return events_of(EventBlock(SOURCE, events, found.rows.contexts, finisher.combinations))


def payloads_in(found: Outcomes) -> list[tuple[int, bytes]]:
    """Returns the offset and the text of each event."""
    rows = found.rows.rows()
    return [(int(rows.offsets[row]), rows.payload(row)) for row in range(len(rows))]


def rejection_of(payload: bytes | str, **options: Any) -> Rejection:
    """Returns the rejection of a payload that has no other outcome."""
    rows = found_in(payload.encode() if isinstance(payload, str) else payload, **options)
    assert not len(rows.rows) and not rows.ignored
    (rejection,) = rows.rejections
    return rejection


def outcomes_in(payload: bytes, **options: Any) -> Counter[str]:
    """Counts the outcomes of a payload: `event`, `ignored` or an error code."""
    rows = found_in(payload, **options)
    outcomes = Counter(rejection.code for rejection in rows.rejections)
    outcomes["event"] += len(rows.rows)
    outcomes["ignored"] += sum(rows.ignored.values())
    return +outcomes


def raw_block(*payloads: bytes, **fields: Any) -> RawBlock:
    """Returns a block of lines as the reader makes it."""
    ends = np.cumsum([len(payload) + 1 for payload in payloads], dtype=np.int64)
    offsets = np.concatenate([[0], ends[:-1]]) if payloads else ends
    return RawBlock(SOURCE, Payloads.of(payloads), offsets, **fields)


def parsed_blocks(
    *payloads: bytes, context: Context = NO_CONTEXT, **fields: Any
) -> list[EventBlock]:
    """Returns the blocks of payloads: that of the rows in the text, that of the others."""
    return list(
        EventParser(JOBS_AND_POSTINGS, 10_000_000, context).parse(raw_block(*payloads, **fields))
    )


def parsed(*payloads: bytes, context: Context = NO_CONTEXT, **fields: Any) -> EventBlock:
    """Returns the one block of payloads whose events are all ordinary, or none is."""
    (block,) = parsed_blocks(*payloads, context=context, **fields)
    return block


# The reference reader uses only the standard library, and is not fast.


class _Object(dict[str, Any]):
    """An object with all its members in order, also those whose keys are repeated later."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


class _Number(str):
    pass


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _has_lone_surrogate(value: Any) -> bool:
    if isinstance(value, _Object):
        return any(_has_lone_surrogate(each) for pair in value.pairs for each in pair)
    if isinstance(value, list):
        return any(map(_has_lone_surrogate, value))
    return isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value)


def expected_outcomes(text: str) -> Counter[str]:
    """Returns the outcomes of a payload that is not nested deeply; jobs and postings are wanted."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Object,
            parse_constant=_refuse,
            parse_int=_Number,
            parse_float=_Number,
        )
    except ValueError:
        parts = _containers(text)
        if len(parts) < 2:
            return Counter(["INVALID_JSON"])
        return sum(map(expected_outcomes, parts), Counter())
    return Counter(_outcomes(value, is_job=False, event_type=None))


def _containers(text: str) -> list[str]:
    """Splits a text of arrays and objects, or returns none. The last one may have no end."""
    parts = [""]
    level, is_quoted, is_escaped = 0, False, False
    for character in text:
        if not level and character not in "[{" and not character.isspace():
            return []
        parts[-1] += character
        if is_quoted:
            is_quoted = is_escaped or character != '"'
            is_escaped = not is_escaped and character == "\\"
            continue
        is_quoted = character == '"'
        level += (character in "[{") - (character in "]}")
        if not level and character in "]}":
            parts.append("")
    return [part for part in parts if part.strip()]


def _outcomes(value: Any, *, is_job: bool, event_type: str | None) -> list[str]:
    lone = _has_lone_surrogate(value)
    if is_job and not isinstance(value, dict):
        return ["LONE_SURROGATE" if lone else "WRONG_TYPE"]
    if isinstance(value, list):
        found = value, False, event_type
    elif isinstance(value, _Object):
        outcome = _of_object(value, event_type)
        if isinstance(outcome, str):
            return ["LONE_SURROGATE" if lone else outcome]
        found = outcome
    else:
        return ["LONE_SURROGATE" if lone else "NOT_AN_EVENT"]
    elements, are_jobs, event_type = found
    if isinstance(value, _Object) and any(
        _has_lone_surrogate(name) or (each is not elements and _has_lone_surrogate(each))
        for name, each in value.pairs
    ):
        return ["LONE_SURROGATE"]
    outcomes = []
    for each in elements:
        if lone and _has_lone_surrogate(each):
            outcomes.append("LONE_SURROGATE")
        else:
            outcomes += _outcomes(each, is_job=are_jobs, event_type=event_type)
    return outcomes


def _of_object(value: _Object, event_type: str | None) -> str | tuple[list[Any], bool, str | None]:
    """Returns the outcome of an object, or the array that holds its jobs."""
    event = value.get("event")
    if not _is_text(event):
        return "WRONG_TYPE"
    event_type = event_type if event is None else event
    if event_type is not None and not fnmatch(event_type, "ats_job*"):
        return "ignored"
    known = KNOWN_FIELDS | (_POSTING_IDS if _is_of_postings(event_type) else set())
    if not value.keys() & known:
        return "NOT_AN_EVENT"
    ids = ("project_id", "account_id", "record_id", "record_remote_id")
    if not all(_is_id(value.get(name)) for name in ids) or not _is_text(value.get("provider")):
        return "WRONG_TYPE"
    for name in ("event_data", "data"):
        data = value.get(name)
        if data is None or data in ([], {}):
            continue
        if isinstance(data, list):
            return data, True, event_type
        return _of_record(data, event_type) if isinstance(data, dict) else "WRONG_TYPE"
    if event_type is None and value.get("data", {}) != {}:
        return [], True, event_type
    return _of_record(value, event_type)


_POSTING_IDS = {"job_id", "remote_job_id", "remote_job_posting_id"}


def _is_of_postings(event_type: str | None) -> bool:
    return event_type is not None and event_type.startswith("ats_job_postings.")


def _of_record(record: dict[str, Any], event_type: str | None) -> str:
    is_posting = _is_of_postings(event_type)
    if event_type is None and "job_status" not in record:
        status = record.get("status")
        is_posting = isinstance(status, dict) and bool(status.keys() & {"value", "source_value"})
    if is_posting:
        status = record.get("status")
        remote_job_id = record.get("remote_job_id")
        if remote_job_id is None:
            remote_job_id = record.get("remote_job_posting_id")
        is_right = _is_id(record.get("job_id")) and _is_id(remote_job_id)
    else:
        status = record.get("job_status")
        is_right = _is_text(record.get("status"))
    is_right = (
        is_right
        and _is_id(record.get("id"))
        and _is_id(record.get("remote_id"))
        and not isinstance(status, list)
        and (not isinstance(status, dict) or _is_text(status.get("value")))
    )
    return "event" if is_right else "WRONG_TYPE"


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not isinstance(value, _Number))


def _is_id(value: Any) -> bool:
    return value is None or isinstance(value, str)


def derived(block: EventBlock, *statuses: Mapping[str, str | None]) -> EventBlock:
    """Returns a parsed block with derived statuses: the given ones, then unmapped ones.

    Each event gets a combination of its own.
    """
    combinations, made = [], []
    for row, number in enumerate(block.events.combinations.tolist()):
        given_value, source_json, source_type = block.combinations[number].status
        status = JobStatus(
            "unmapped_value",
            source_json,
            source_json,
            source_type,
            given_value,
            "source_value",
            "unmapped",
        )
        combinations.append(block.combinations[number])
        changes: Any = statuses[row] if row < len(statuses) else {}
        made.append(status._replace(**changes))
    numbers = np.arange(len(made), dtype=np.int32)
    return replace(
        block,
        events=replace(block.events, combinations=numbers),
        combinations=combinations,
        statuses=made,
        mapping_fingerprint="0123456789abcdef",
    )
