"""Blocks become Avro, and only a row that cannot be encoded is rejected."""

from __future__ import annotations

import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import apache_beam as beam
import fastavro
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import Codec, RecordName, avro_text, record_schema
from tests.transforms.event_cases import (
    JSON,
    PAYLOADS,
    broken,
    derived,
    parsed,
    parsed_blocks,
    raw_block,
)
from transforms.blocks.block import AvroBlock, EncodedBlock, EventBlock, RawBlock
from transforms.blocks.context import Context
from transforms.blocks.origin import InputNote, Span
from transforms.blocks.rejection import Rejection
from transforms.encode import encode_avro
from transforms.encode.dead_letters import PayloadPolicy
from transforms.encode.encode_avro import BlockEncoder, EncodeAvro
from transforms.parse.parse_events import ParseEvents


def _encode(
    block: EventBlock, codec: Codec = "null", policy: PayloadPolicy = "full"
) -> EncodedBlock:
    return BlockEncoder(codec, policy, 10_000_000).encode(block)


def _file(name: RecordName, block: AvroBlock, codec: Codec) -> io.BytesIO:
    """Returns an Avro file with one block."""
    file = io.BytesIO()
    fastavro.writer(file, record_schema(name).parsed, [], codec=codec)
    sync = file.getvalue()[-16:]
    for number in (block.count, len(block.data)):
        fastavro.schemaless_writer(file, "long", number)
    file.write(block.data + sync)
    file.seek(0)
    return file


def _records(
    block: AvroBlock | None, name: RecordName = "job_status_event", codec: Codec = "null"
) -> list[dict[str, Any]]:
    return [] if block is None else list(fastavro.reader(_file(name, block, codec)))  # type: ignore[arg-type]


def _dead_letters(*blocks: EncodedBlock) -> list[dict[str, Any]]:
    return [row for each in blocks for row in _records(each.dead_letters, "dead_letter")]


def _offsets(lines: list[bytes]) -> list[int]:
    return [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]


def _lines(*ids: str) -> list[bytes]:
    return [f'{{"id":"{each}","job_status":{{"source_value":"{each}"}}}}'.encode() for each in ids]


# Decoding


@pytest.mark.parametrize("codec", ["deflate", "null"])
def test_an_encoded_block_decodes_to_equal_records(codec: Codec) -> None:
    lines = [
        *_lines("a", "b"),
        b'{"event":"ats_jobs.x","event_date":"2025-05-01T10:00:00.5Z"}',
        b"{",
    ]
    block = derived(parsed(*lines, context=Context(provider="p")))
    encoded = _encode(block, codec)
    assert encoded.records is not None and encoded.records.count == 3
    records = _records(encoded.records, codec=codec)
    assert [row["job_id"] for row in records] == ["a", "b", None]
    assert [row["source_offset"] for row in records] == [0, *_offsets(lines)[1:3]]
    assert {row["mapping_fingerprint"] for row in records} == {"0123456789abcdef"}
    (letter,) = _records(encoded.dead_letters, "dead_letter", codec)
    assert (letter["error_code"], letter["payload"], letter["provider"]) == (
        "INVALID_JSON",
        b"{",
        "p",
    )


def test_deflate_has_no_header_and_is_smaller() -> None:
    block = derived(parsed(*_lines(*["a"] * 100)))
    plain, deflated = _encode(block).records, _encode(block, "deflate").records
    assert plain is not None and deflated is not None
    assert zlib.decompress(deflated.data, wbits=-15) == plain.data
    assert len(deflated.data) < len(plain.data) / 5


def test_an_empty_block_has_no_records() -> None:
    encoded = _encode(derived(parsed()))
    assert (encoded.records, encoded.dead_letters) == (None, None)


@given(st.lists(st.binary(max_size=9) | broken() | PAYLOADS.map(str.encode), max_size=5))
def test_any_payloads_are_encoded_as_by_fastavro(lines: list[bytes]) -> None:
    for block in parsed_blocks(*lines):
        encoded = _encode(derived(block))
        again = io.BytesIO()
        for record in _records(encoded.records):
            fastavro.schemaless_writer(again, record_schema("job_status_event").parsed, record)
        assert again.getvalue() == (b"" if encoded.records is None else encoded.records.data)
        letters = _dead_letters(encoded)
        payloads = [each.payload for each in block.rejections]
        assert [letter["payload"] for letter in letters] == payloads
        codes = {letter["error_code"] for letter in letters}
        assert codes.isdisjoint({"INTERNAL", "SCHEMA_VIOLATION"})
        assert len(block.events) + len(letters) + encoded.ledger.ignored == encoded.ledger.read


@given(JSON)
def test_the_text_of_a_source_value_is_kept_byte_for_byte(text: str) -> None:
    encoded = _encode(
        derived(parsed(f'{{"id":1,"job_status":{{"source_value":{text}}}}}'.encode()))
    )
    (record,) = _records(encoded.records)
    assert record["job_status"]["source_value_json"] == (None if text == "null" else text)


# Violations of the schema


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", "opened"),
        ("value", ""),
        ("source_value_type", "text"),
        ("source_value_type", None),
        ("derived_from", "canary"),
        ("derived_from", None),
        ("derivation", "guessed"),
        ("derivation", None),
    ],
)
def test_only_the_row_with_a_value_outside_the_schema_is_rejected(
    field: str, value: str | None
) -> None:
    lines = _lines("a", "b", "c")
    block = derived(parsed(*lines), {}, {field: value}, {})
    encoded = _encode(block)
    assert [row["job_id"] for row in _records(encoded.records)] == ["a", "c"]
    (letter,) = _dead_letters(encoded)
    assert (letter["error_code"], letter["step"]) == ("SCHEMA_VIOLATION", "EncodeAvro")
    assert (letter["payload"], letter["source_offset"]) == (lines[1], len(lines[0]) + 1)
    assert f"job_status.{field}" in letter["error_message"]
    assert not value or value not in letter["error_message"]
    assert encoded.ledger.read == 3 and encoded.ledger.by_error_code == {"SCHEMA_VIOLATION": 1}


def test_each_row_is_rejected_for_its_own_violation() -> None:
    violations: list[dict[str, str | None]] = [
        {"derivation": "x"},
        {},
        {"value": "x"},
        {},
        {"source_value_type": None},
        {"value": "y"},
    ]
    lines = _lines(*"abcdef")
    encoded = _encode(derived(parsed(*lines), *violations))
    assert [row["job_id"] for row in _records(encoded.records)] == ["b", "d"]
    messages = {letter["payload"]: letter["error_message"] for letter in _dead_letters(encoded)}
    assert set(messages) == {lines[0], lines[2], lines[4], lines[5]}
    assert "derivation" in messages[lines[0]]
    assert "job_status.value" in messages[lines[2]] and "job_status.value" in messages[lines[5]]
    assert "source_value_type" in messages[lines[4]]
    assert encoded.ledger.by_value == {"unmapped_value": 2}


def test_a_row_with_two_violations_is_rejected_once() -> None:
    encoded = _encode(derived(parsed(*_lines("a", "b")), {"value": "x", "derivation": "y"}))
    assert len(_dead_letters(encoded)) == 1
    assert [row["job_id"] for row in _records(encoded.records)] == ["b"]


def test_a_null_that_the_schema_allows_is_encoded() -> None:
    block = derived(parsed(b'{"id":"a"}'), {"value": None, "derivation": "absent"})
    (record,) = _records(_encode(block).records)
    assert record["job_status"]["value"] is None


def test_the_dead_letter_of_a_row_has_only_the_context_that_its_payload_does_not_have() -> None:
    line = b'{"id":"a","account_id":"own","event":"ats_jobs.x"}'
    block = parsed(line, context=Context("e", "d", "p", "flag", "flag"))
    (letter,) = _dead_letters(_encode(derived(block, {"derivation": "x"})))
    names = ("event_type", "event_date", "project_id", "account_id", "provider")
    assert [letter[name] for name in names] == [None, "d", "p", None, "flag"]


# Policies


@pytest.mark.parametrize("policy", ["full", "hash", "none"])
def test_the_policy_applies_to_the_dead_letters(policy: PayloadPolicy) -> None:
    (letter,) = _dead_letters(_encode(derived(parsed(b"canary")), policy=policy))
    assert (letter["payload"] is None) == (policy != "full")
    assert (letter["payload_sha256"] == "") == (policy == "none")
    assert letter["payload_size"] == 6


# Unexpected exceptions


def test_an_unexpected_exception_rejects_only_its_events(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def buggy(text: str | None) -> bytes:
        if text == "b":
            raise ZeroDivisionError("canary")
        return avro_text(text)

    monkeypatch.setattr(encode_avro, "avro_text", buggy)
    lines = [b'{"id":"%s","status":"%s"}' % (each, each) for each in (b"a", b"b", b"c")]
    note = InputNote("/in/events.jsonl", 9)
    block = derived(parsed(*lines, b"{", b'{"event":"hris.x"}', span=Span(0, 9), note=note))
    encoded = _encode(block)
    assert [row["job_id"] for row in _records(encoded.records)] == ["a", "c"]
    letters = {letter["error_code"]: letter for letter in _dead_letters(encoded)}
    assert set(letters) == {"INTERNAL", "INVALID_JSON"}
    assert letters["INTERNAL"]["payload"] == lines[1]
    assert letters["INTERNAL"]["error_message"] == "ZeroDivisionError"
    assert (encoded.ledger.read, encoded.ledger.ignored) == (5, 1)
    assert "ZeroDivisionError" in caplog.text and "canary" not in caplog.text


# The ledger


def test_the_ledger_counts_the_events_and_their_fields() -> None:
    lines = [
        *_lines("a", "b"),
        b'{"id":"c","updated_at":"soon"}',
        b'{"event":"hris.x"}',
        b"{",
        b"1",
    ]
    note = InputNote("/in/events.jsonl", 99)
    block = derived(
        parsed(*lines, span=Span(0, 99), note=note),
        {"value": "open", "derivation": "given"},
        {},
        {"value": None, "derivation": "absent", "derived_from": "nothing"},
    )
    ledger = _encode(block).ledger
    assert (ledger.read, ledger.written, ledger.dead_lettered) == (6, 0, 0)
    assert ledger.ignored_by_type == {"hris.x": 1}
    assert ledger.by_record_type == {"job": 3}
    assert ledger.by_value == {"open": 1, "unmapped_value": 1, "null": 1}
    assert ledger.by_source_value_type == {"string": 2, "missing": 1}
    assert ledger.by_derivation == {"given": 1, "unmapped": 1, "absent": 1}
    assert ledger.by_provider == {"null": {"open": 1, "unmapped_value": 1, "null": 1}}
    assert ledger.by_day == {"null": 3}
    assert ledger.by_error_code == {"INVALID_JSON": 1, "NOT_AN_EVENT": 1}
    assert ledger.unreadable_timestamps == 1
    assert ledger.inputs["/in/events.jsonl"].spans == [(0, 99)]
    assert ledger.inputs["/in/events.jsonl"].end == 99
    assert [row.count for row in ledger.unmapped.top()] == [1]


# In a pipeline


def _read(lines: bytes) -> RawBlock:
    return raw_block(
        *lines.split(b"\n"), rejections=[Rejection("TOO_LARGE", "x", None, "m", b"", 0)]
    )


def _derive(block: EventBlock) -> EventBlock:
    return derived(block)


def _outcomes(block: EncodedBlock) -> Iterator[tuple[str, int]]:
    counts = Counter(letter["error_code"] for letter in _dead_letters(block))
    counts["written"] = len(_records(block.records))
    counts["ignored"] = block.ledger.ignored
    yield from counts.items()


def test_the_steps_run_in_a_pipeline() -> None:
    lines = [*_lines("a", "b"), b'{"id":"c","account_id":[]}', b'{"event":"hris.x"}', b"{"]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        outcomes = (
            pipeline
            | beam.Create([b"\n".join(lines), b"\n".join(lines)])
            | beam.Map(_read)
            | ParseEvents(context=Context(provider="lever"))
            | beam.Map(_derive)
            | EncodeAvro(codec="null")
            | beam.FlatMap(_outcomes)
            | beam.CombinePerKey(sum)
        )
        expected = {"written": 4, "ignored": 2, "WRONG_TYPE": 2, "INVALID_JSON": 2, "TOO_LARGE": 2}
        assert_that(outcomes, equal_to(list(expected.items())))


def test_the_first_and_last_timestamps_are_readable() -> None:
    edges = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z"]
    lines = [json.dumps({"id": edge, "updated_at": edge}).encode() for edge in edges]
    records = _records(_encode(derived(parsed(*lines))).records)
    times = [record["job_updated_at"] for record in records]
    assert [isinstance(each, datetime) and each.year for each in times[:2]] == [1, 9999]
    assert times[2] is None
