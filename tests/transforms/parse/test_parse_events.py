"""Blocks of payloads become columns, and every event has one outcome."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import (
    PAYLOADS,
    broken,
    events_of,
    found_in,
    outcomes_in,
    parsed,
    parsed_blocks,
    payloads_in,
    raw_block,
    rows_of,
)
from transforms.blocks.block import EventBlock, RawBlock
from transforms.blocks.block_size import BLOCK_BYTES
from transforms.blocks.context import NO_CONTEXT, Context
from transforms.blocks.origin import InputNote, Span
from transforms.blocks.rejection import Rejection
from transforms.blocks.status import StatusText
from transforms.parse import fields, parse_events
from transforms.parse.accounts import Accounts
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.parse.raw_status import status_text
from transforms.parse.timestamps import zone_of


def _blocks(block: RawBlock, context: Context = NO_CONTEXT) -> list[EventBlock]:
    return list(EventParser(EventTypes(), 10_000_000, context).parse(block))


def _payloads(*blocks: EventBlock) -> list[bytes]:
    return [block.events.rows.payload(row) for block in blocks for row in range(len(block.events))]


def test_lines_become_events_with_their_origin() -> None:
    block = parsed(b'{"id":"a"}', b'{"id":"b"}', span=Span(0, 22))
    rows = events_of(block)
    assert [row["job_id"] for row in rows] == ["a", "b"]
    assert [row["source_offset"] for row in rows] == [0, 11]
    assert {row["source"] for row in rows} == {"/in/events.jsonl"}
    assert _payloads(block) == [b'{"id":"a"}', b'{"id":"b"}']
    assert (block.read, block.span, block.rejections, block.ignored) == (2, Span(0, 22), [], {})


def test_an_empty_block_keeps_its_span() -> None:
    block = parsed(span=Span(5, 9), note=InputNote("x", 9))
    assert (len(block.events), block.read) == (0, 0)
    assert (block.span, block.note) == (Span(5, 9), InputNote("x", 9))


# The two ways


@given(
    st.lists(st.binary(max_size=9) | broken() | PAYLOADS.map(str.encode), max_size=6),
    st.sampled_from([NO_CONTEXT, Context("ats_jobs.x", None, "p", "a", "lever"), Context("other")]),
)
def test_a_payload_has_the_outcome_of_reading_its_fields_one_by_one(
    payloads: list[bytes], context: Context
) -> None:
    blocks = parsed_blocks(*payloads, context=context)
    one_by_one = [found_in(payload, context=context) for payload in payloads]
    by_id = sorted(events_of(*blocks), key=str)
    for row in by_id:
        del row["source_offset"]
    expected = [row for each in one_by_one for row in rows_of(each)]
    for row in expected:
        del row["source_offset"]
    assert by_id == sorted(expected, key=str)
    assert sorted(_payloads(*blocks)) == sorted(
        text for each in one_by_one for _, text in payloads_in(each)
    )
    assert sorted(
        (each.code, each.path or "", each.message, each.payload)
        for block in blocks
        for each in block.rejections
    ) == sorted(
        (each.code, each.path or "", each.message, each.payload)
        for found in one_by_one
        for each in found.rejections
    )
    ignored = Counter[str]()
    for found in one_by_one:
        ignored.update(found.ignored)
    assert sum((Counter(block.ignored) for block in blocks), Counter()) == ignored


@pytest.mark.parametrize(
    "payload",
    [
        *(b"5", b"[]", b"{}", b'{"title":"only"}', b'{"id":"x","job_status":[1]}'),
        *(b'{"event":"ats_jobs.x","event_data":{ }}', b'{"event":"ats_jobs.x","event_data":[]}'),
        *(b'{"id":"x","title":"\xff"}', b'{"id":-1}', b'{"id":"x","title":"\\ud800"}'),
        b'{"id":"x","custom_fields":' + b"[" * 201 + b"]" * 201 + b"}",
        b'{"id":"x","custom_fields":' + b"[" * 20_000,
    ],
)
def test_a_payload_among_ordinary_ones_has_the_outcome_that_it_has_alone(payload: bytes) -> None:
    blocks = parsed_blocks(b'{"id":"a"}', payload, b'{"id":"b"}')
    alone = outcomes_in(payload)
    codes = Counter(each.code for block in blocks for each in block.rejections)
    assert codes == Counter({code: count for code, count in alone.items() if code != "event"})
    assert sum(len(block.events) for block in blocks) == 2 + alone["event"]


# The context


def test_the_payload_wins_over_its_context_and_the_context_over_the_flags() -> None:
    own = b'{"id":"a","event":"ats_jobs.x","account_id":1,"provider":"own","event_date":"d"}'
    flags = Context(account_id="flag", default_provider="flag")
    beside = Context("ats_jobs.beside", "2025-05-01T10:00:00Z", "beside", None, "beside")
    block = parsed(
        own, b'{"id":"b"}', b'{"id":"c"}', context=flags, contexts=[beside] * 2 + [NO_CONTEXT]
    )
    rows = events_of(block)
    names = ("event_type", "project_id", "account_id", "provider")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("ats_jobs.x", "beside", "1", "own"),
        ("ats_jobs.beside", "beside", "flag", "beside"),
        (None, None, "flag", "flag"),
    ]
    times = [row["event_time"] for row in rows]
    assert times == [None, datetime(2025, 5, 1, 10, tzinfo=timezone.utc), None]
    assert block.contexts[1] == Context(
        "ats_jobs.beside",
        "2025-05-01T10:00:00Z",
        "beside",
        "flag",
        "beside",
        default_provider="flag",
    )


def test_a_null_in_the_payload_counts_as_missing() -> None:
    (row,) = events_of(
        parsed(
            b'{"id":"a","account_id":null,"provider":null}',
            context=Context(account_id="7", default_provider="p"),
        )
    )
    assert (row["account_id"], row["provider"]) == ("7", "p")


def test_a_rejection_of_the_reader_has_its_own_context_and_the_flags() -> None:
    rejection = Rejection("TOO_LARGE", "ReadFiles", None, "m", b"x", 0, Context(provider="own"))
    flags = Context(account_id="flag", default_provider="flag")
    block = parsed(context=flags, rejections=[rejection])
    own = Context(account_id="flag", provider="own", default_provider="flag")
    assert block.rejections[0].context == own
    assert block.read == 1


# Times


@pytest.mark.parametrize(
    ("event_date", "updated", "created", "hour", "unreadable"),
    [
        ("2025-05-01T01:00:00Z", "2025-05-01T02:00:00Z", "2025-05-01T03:00:00Z", 1, {}),
        (
            *("soon", "2025-05-01T02:00:00Z", "2025-05-01T03:00:00Z", 2),
            {"event_date": {"aaaa": 1}},
        ),
        (None, "soon", "2025-05-01T03:00:00Z", 3, {"updated_at": {"aaaa": 1}}),
        (None, None, "2025-05-01T03:00:00Z", 3, {}),
        (
            *(5, [], True, None),
            {"event_date": {"9": 1}, "updated_at": {"[]": 1}, "created_at": {"aaaa": 1}},
        ),
    ],
)
def test_the_event_time_is_the_first_readable_timestamp(
    event_date: Any, updated: Any, created: Any, hour: int | None, unreadable: Any
) -> None:
    job = {"id": "a", "updated_at": updated, "created_at": created}
    payload = {"event": "ats_jobs.x", "event_date": event_date, "event_data": job}
    block = parsed(json.dumps(payload).encode())
    (row,) = events_of(block)
    assert (row["event_time"] and row["event_time"].hour) == hour
    assert block.unreadable == unreadable


def test_the_provider_is_that_of_the_payload_the_message_the_account_or_the_options() -> None:
    accounts = Accounts({"1": "account"}, "")
    message = Context(account_id="1", provider="message")
    contexts = [message, message, Context(account_id="1"), Context(account_id="2")]
    payloads = [b'{"id":"a","provider":"payload"}', *[b'{"id":"a"}'] * 3]
    options = Context(default_provider="options")
    parser = EventParser(EventTypes(), 10_000_000, options, accounts)
    (found,) = parser.parse(raw_block(*payloads, contexts=contexts))
    names = [row["provider"] for row in events_of(found)]
    assert names == ["payload", "message", "account", "options"]
    assert [found.contexts[number].default_provider for number in found.events.rows.context_of] == (
        ["options"] * 4
    )


def test_an_assumed_time_zone_is_counted() -> None:
    times = {"created_at": "2025-05-01T03:00:00", "updated_at": "2025-05-01T03:00:00Z"}
    parser = EventParser(EventTypes(), 10_000_000, NO_CONTEXT, None, zone_of("+01:00"))
    (found,) = parser.parse(raw_block(json.dumps({"id": "a", **times}).encode()))
    (row,) = events_of(found)
    assert (row["job_created_at"].hour, row["job_updated_at"].hour) == (2, 3)
    assert (found.assumed_timezone, found.unreadable) == (1, {})


def test_the_times_of_a_job_have_their_own_columns() -> None:
    (row,) = events_of(
        parsed(
            b'{"id":"a","created_at":"2025-05-01T10:00:00Z",'
            b'"updated_at":"2025-05-01T10:00:00+02:00"}'
        )
    )
    assert row["job_created_at"].hour == 10 and row["job_updated_at"].hour == 8


def test_events_of_any_time_and_order_are_kept() -> None:
    years = ["2025", "0001", "9999", "1970"]
    lines = [
        b'{"id":"%s","updated_at":"%s-05-01T10:00:00Z"}' % (y.encode(), y.encode()) for y in years
    ]
    assert [row["job_id"] for row in events_of(parsed(*lines))] == years


# Event types


def test_event_types_are_shell_patterns() -> None:
    accepts = EventTypes(("ats_jobs.*", "ats_job_postings.created"))
    assert (
        accepts("ats_jobs.updated")
        and accepts("ats_jobs.\n")
        and accepts("ats_job_postings.created")
    )
    assert not accepts("ats_job_postings.updated") and not accepts("ATS_JOBS.updated")
    assert not accepts("xats_jobs.updated") and not accepts("")


def test_the_cache_of_event_types_is_bounded() -> None:
    accepts = EventTypes()
    for number in range(10_100):
        accepts(str(number))
    accepts("x" * 1000)
    assert len(accepts._known) <= 10_000
    assert max(map(len, accepts._known)) <= 256


# Large documents


def test_a_large_document_becomes_several_blocks_and_one_has_the_span() -> None:
    jobs = [b'{"id":"%d","title":"%s"}' % (number, b"x" * 1000) for number in range(5000)]
    document = b'{"data":[' + b",".join(jobs) + b"]}"
    note = InputNote("/in/events.jsonl", len(document))
    blocks = _blocks(raw_block(document, span=Span(0, len(document)), note=note))
    assert len(blocks) == pytest.approx(len(document) / BLOCK_BYTES, abs=2)
    assert [block.span for block in blocks if block.span] == [Span(0, len(document))]
    assert [block.note for block in blocks if block.note] == [note]
    assert [row["job_id"] for row in events_of(*blocks)] == [str(number) for number in range(5000)]
    assert all(block.size <= BLOCK_BYTES + 1100 for block in blocks)
    assert sum(block.read for block in blocks) == 5000


@pytest.mark.parametrize("as_lines", [True, False])
def test_many_tiny_payloads_become_several_blocks(as_lines: bool) -> None:
    block = raw_block(*[b"1"] * 50_000) if as_lines else raw_block(b"[" + b"1," * 49_999 + b"1]")
    blocks = _blocks(block)
    assert sum(block.read for block in blocks) == 50_000
    assert max(len(block.rejections) for block in blocks) <= BLOCK_BYTES // 100 + 1


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"data":[', b"]}")])
def test_nesting_costs_no_memory(opening: bytes, closing: bytes) -> None:
    size, levels = 1_000_000, 90
    payload = (
        opening * levels + b'{"id":"%s"}' % (b"x" * size) + b',{"id":"y"}'.join([closing] * levels)
    )
    block = raw_block(payload)
    tracemalloc.start()
    try:
        rows = sum(each.read for each in _blocks(block))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == levels
    assert peak < 20 * size


def test_the_memory_for_long_texts_of_combinations_is_bounded() -> None:
    parser = EventParser(EventTypes(), 10_000_000, NO_CONTEXT)
    long = "x" * 1_000_000
    payload = '{"id":"1","provider":"%s%d","job_status":"open"}'
    held = []
    tracemalloc.start()
    try:
        for number in range(60):
            (block,) = parser.parse(raw_block((payload % (long, number)).encode()))
            assert block.combinations[-1].provider == f"{long}{number}"
            del block
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # Without a bound, the texts of 60 combinations would be held twice.
    assert max(held) < 40_000_000


# Unexpected exceptions


def _fail_on(name: str) -> None:
    if name == "canary":
        raise ValueError(f"could not convert {name}")


def test_an_exception_in_the_finder_rejects_only_its_payload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def buggy(raw: bytes, path: str = "$") -> StatusText:
        _fail_on(raw.decode().strip('"'))
        return status_text(raw, path)

    monkeypatch.setattr(fields, "status_text", buggy)
    # An escape in an id is not ordinary.
    bad = b'{"id":"\\u0062","job_status":"canary"}'
    blocks = parsed_blocks(b'{"id":"a"}', bad, b'{"data":[{"id":"c"},' + bad + b',{"id":"d"}]}')
    assert [row["job_id"] for row in events_of(*blocks)] == ["a", "c", "d"]
    rejections = [each for block in blocks for each in block.rejections]
    assert [(each.code, each.payload) for each in rejections] == [("INTERNAL", bad)] * 2
    assert sum(block.read for block in blocks) == 5


# Any payloads


@given(st.lists(st.binary(max_size=9) | broken() | PAYLOADS.map(str.encode), max_size=5))
def test_every_event_has_the_same_one_outcome_alone_and_in_a_block(lines: list[bytes]) -> None:
    blocks = parsed_blocks(*lines)
    alone = [outcomes_in(line) for line in lines]
    assert sum(block.read for block in blocks) == sum(outcomes.total() for outcomes in alone)
    events = sum(len(block.events) for block in blocks)
    assert events == sum(outcomes["event"] for outcomes in alone)
    ignored = sum(sum(block.ignored.values()) for block in blocks)
    assert ignored == sum(outcomes["ignored"] for outcomes in alone)
    rows = [row for line in lines for row in events_of(*parsed_blocks(line))]
    assert sorted(row["event_id"] for row in events_of(*blocks)) == sorted(
        row["event_id"] for row in rows
    )


@given(st.lists(PAYLOADS, min_size=1, max_size=6))
def test_small_blocks_have_the_same_events_as_large_ones(elements: list[str]) -> None:
    block = raw_block(("[" + ",".join(elements) + "]").encode(), b'{"id":"last"}')
    large = _blocks(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse_events, "BLOCK_BYTES", 120)
        small = _blocks(block)
    assert sorted(map(str, events_of(*small))) == sorted(map(str, events_of(*large)))
    rejections = [
        [str(each) for part in blocks for each in part.rejections] for blocks in (small, large)
    ]
    assert sorted(rejections[0]) == sorted(rejections[1])
    assert sum(part.read for part in small) == sum(part.read for part in large)
