"""Blocks of payloads become columns, and every event has one outcome."""

from __future__ import annotations

import json
import tracemalloc
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import PAYLOADS, broken, outcomes_in, parsed, raw_block
from transforms.blocks.block import EventBlock, RawBlock
from transforms.blocks.block_size import BLOCK_BYTES
from transforms.blocks.columns import PARSED
from transforms.blocks.context import NO_CONTEXT, Context
from transforms.blocks.origin import InputNote, Span
from transforms.blocks.rejection import Rejection
from transforms.parse import one_by_one, parse_events
from transforms.parse.accounts import Accounts
from transforms.parse.event_id import event_ids
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.parse.raw_status import StatusText, status_text
from transforms.parse.timestamps import zone_of


def _blocks(block: RawBlock, context: Context = NO_CONTEXT) -> list[EventBlock]:
    return list(EventParser(EventTypes(), 10_000_000, context).parse(block))


def _rows(blocks: list[EventBlock]) -> list[dict[str, Any]]:
    return [row for block in blocks for row in block.events.to_pylist()]


def test_lines_become_rows_with_their_origin() -> None:
    block = parsed(b'{"id":"a"}', b'{"id":"b"}', span=Span(0, 22))
    assert block.events.schema == PARSED
    rows = block.events.to_pylist()
    assert [row["job_id"] for row in rows] == ["a", "b"]
    assert [row["source_offset"] for row in rows] == [0, 11]
    assert {row["source"] for row in rows} == {"/in/events.jsonl"}
    assert block.payloads == [b'{"id":"a"}', b'{"id":"b"}']
    assert (block.read, block.span, block.rejections, block.ignored) == (2, Span(0, 22), [], {})


def test_an_empty_block_keeps_its_span() -> None:
    block = parsed(span=Span(5, 9), note=InputNote("x", 9))
    assert (block.events.num_rows, block.read) == (0, 0)
    assert (block.span, block.note) == (Span(5, 9), InputNote("x", 9))
    assert block.events.schema == PARSED


# The context


def test_the_payload_wins_over_its_context_and_the_context_over_the_flags() -> None:
    own = b'{"id":"a","event":"ats_jobs.x","account_id":1,"provider":"own","event_date":"d"}'
    flags = Context(account_id="flag", default_provider="flag")
    beside = Context("ats_jobs.beside", "2025-05-01T10:00:00Z", "beside", None, "beside")
    block = parsed(
        own, b'{"id":"b"}', b'{"id":"c"}', context=flags, contexts=[beside] * 2 + [NO_CONTEXT]
    )
    names = ("event_type", "project_id", "account_id", "provider")
    assert [tuple(row[name] for name in names) for row in block.events.to_pylist()] == [
        ("ats_jobs.x", "beside", "1", "own"),
        ("ats_jobs.beside", "beside", "flag", "beside"),
        (None, None, "flag", "flag"),
    ]
    times = block.events.column("event_time").to_pylist()
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
    (row,) = parsed(
        b'{"id":"a","account_id":null,"provider":null}',
        context=Context(account_id="7", default_provider="p"),
    ).events.to_pylist()
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
    (row,) = block.events.to_pylist()
    assert (row["event_time"] and row["event_time"].hour) == hour
    assert block.unreadable == unreadable


def test_the_provider_is_that_of_the_payload_the_message_the_account_or_the_options() -> None:
    accounts = Accounts({"1": "account"}, "")
    message = Context(account_id="1", provider="message")
    contexts = [message, message, Context(account_id="1"), Context(account_id="2")]
    payloads = [b'{"id":"a","provider":"payload"}', *[b'{"id":"a"}'] * 3]
    block = RawBlock("x", payloads, [0] * 4, contexts=contexts)
    options = Context(default_provider="options")
    (found,) = EventParser(EventTypes(), 10_000_000, options, accounts).parse(block)
    names = found.events.column("provider").to_pylist()
    assert names == ["payload", "message", "account", "options"]


def test_an_assumed_time_zone_is_counted() -> None:
    times = {"created_at": "2025-05-01T03:00:00", "updated_at": "2025-05-01T03:00:00Z"}
    block = RawBlock("x", [json.dumps({"id": "a", **times}).encode()], [0])
    parser = EventParser(EventTypes(), 10_000_000, NO_CONTEXT, None, zone_of("+01:00"))
    (found,) = parser.parse(block)
    (row,) = found.events.to_pylist()
    assert (row["job_created_at"].hour, row["job_updated_at"].hour) == (2, 3)
    assert (found.assumed_timezone, found.unreadable) == (1, {})


def test_the_times_of_a_job_have_their_own_columns() -> None:
    (row,) = parsed(
        b'{"id":"a","created_at":"2025-05-01T10:00:00Z","updated_at":"2025-05-01T10:00:00+02:00"}'
    ).events.to_pylist()
    assert row["job_created_at"].hour == 10 and row["job_updated_at"].hour == 8


def test_events_of_any_time_and_order_are_kept() -> None:
    years = ["2025", "0001", "9999", "1970"]
    lines = [
        b'{"id":"%s","updated_at":"%s-05-01T10:00:00Z"}' % (y.encode(), y.encode()) for y in years
    ]
    assert parsed(*lines).events.column("job_id").to_pylist() == years


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
    assert [row["job_id"] for row in _rows(blocks)] == [str(number) for number in range(5000)]
    assert all(sum(map(len, block.payloads)) <= BLOCK_BYTES + 1100 for block in blocks)
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


# Unexpected exceptions


def _fail_on(name: str) -> None:
    if name == "canary":
        raise ValueError(f"could not convert {name}")


def test_an_exception_in_the_columns_rejects_only_its_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def buggy(columns: dict[str, pa.Array], texts: list[bytes]) -> pa.StringArray:
        for name in columns["job_id"].to_pylist():
            _fail_on(name)
        return event_ids(columns, texts)

    lines = [b'{"id":"a","job_status":"x"}', b'{"id":"canary"}', b'{"id":"b","job_status":1}']
    expected = _rows(_blocks(raw_block(*lines)))
    monkeypatch.setattr(parse_events, "event_ids", buggy)
    lines += [b"{", b'{"event":"hris.x"}']
    blocks = _blocks(raw_block(*lines, span=Span(0, 99)), Context(provider="p"))
    rejections = [each for block in blocks for each in block.rejections]
    assert [(each.code, each.payload) for each in rejections] == [
        ("INVALID_JSON", b"{"),
        ("INTERNAL", b'{"id":"canary"}'),
    ]
    assert (rejections[1].message, rejections[1].offset) == ("ValueError", len(lines[0]) + 1)
    assert rejections[1].context == Context(provider="p")
    kept = _rows(blocks)
    assert [row["job_id"] for row in kept] == ["a", "b"]
    assert [row["job_status"] for row in kept] == [
        expected[0]["job_status"],
        expected[2]["job_status"],
    ]
    assert sum(block.read for block in blocks) == 5
    assert [block.span for block in blocks if block.span] == [Span(0, 99)]
    assert "ValueError" in caplog.text and "canary" not in caplog.text


def test_an_exception_in_the_finder_rejects_only_its_payload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def buggy(raw: bytes, path: str = "$") -> StatusText:
        _fail_on(raw.decode().strip('"'))
        return status_text(raw, path)

    monkeypatch.setattr(one_by_one, "status_text", buggy)
    monkeypatch.setattr(one_by_one, "_cached_status_text", buggy)
    bad = b'{"id":"b","job_status":"canary"}'
    block = parsed(b'{"id":"a"}', bad, b'{"data":[{"id":"c"},' + bad + b',{"id":"d"}]}')
    assert block.events.column("job_id").to_pylist() == ["a", "c", "d"]
    assert [(each.code, each.payload) for each in block.rejections] == [("INTERNAL", bad)] * 2
    assert block.read == 5


# Any payloads


@given(st.lists(st.binary(max_size=9) | broken() | PAYLOADS.map(str.encode), max_size=5))
def test_every_event_has_the_same_one_outcome_alone_and_in_a_block(lines: list[bytes]) -> None:
    block = parsed(*lines)
    alone = [outcomes_in(line) for line in lines]
    assert block.read == sum(outcomes.total() for outcomes in alone)
    assert block.events.num_rows == sum(outcomes["event"] for outcomes in alone)
    assert sum(block.ignored.values()) == sum(outcomes["ignored"] for outcomes in alone)
    assert block.events.num_rows == len(block.payloads) == len(block.contexts)
    block.events.validate(full=True)
    rows = [row for line in lines for row in parsed(line).events.to_pylist()]
    assert [row["event_id"] for row in block.events.to_pylist()] == [
        row["event_id"] for row in rows
    ]


@given(st.lists(PAYLOADS, min_size=1, max_size=6))
def test_small_blocks_have_the_same_events_as_large_ones(elements: list[str]) -> None:
    block = raw_block(("[" + ",".join(elements) + "]").encode(), b'{"id":"last"}')
    (large,) = _blocks(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse_events, "BLOCK_BYTES", 120)
        small = _blocks(block)
    assert _rows(small) == large.events.to_pylist()
    assert [each for part in small for each in part.rejections] == large.rejections
    assert sum(part.read for part in small) == large.read
