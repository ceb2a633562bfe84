"""Payloads have the same outcome in bulk and one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import JOBS_AND_POSTINGS, PAYLOADS, broken, event_finder
from transforms.blocks.context import NO_CONTEXT, Context
from transforms.parse.batch import add_batch
from transforms.parse.one_by_one import Found, Rows
from transforms.parse.parse_events import columns_of


def _one_by_one(payloads: list[bytes], context: Context) -> Rows:
    rows = Rows()
    for offset, payload in enumerate(payloads):
        event_finder().find_by_fields(Found(payload, offset, context), rows)
    return rows


def _in_bulk(payloads: list[bytes], context: Context) -> tuple[Rows, list[int]]:
    rows = Rows()
    count = len(payloads)
    others = add_batch(payloads, list(range(count)), [context] * count, JOBS_AND_POSTINGS, rows)
    return rows, others


@given(
    st.lists(st.binary(max_size=9) | broken() | PAYLOADS.map(str.encode), max_size=6),
    st.sampled_from([NO_CONTEXT, Context("ats_jobs.x", None, "p", "a", "lever"), Context("other")]),
)
def test_a_parsed_payload_has_the_outcome_of_reading_its_fields(
    payloads: list[bytes], context: Context
) -> None:
    rows, others = _in_bulk(payloads, context)
    parsed = [payload for place, payload in enumerate(payloads) if place not in others]
    by_fields = _one_by_one(parsed, context)
    assert not by_fields.rejections and not by_fields.pending
    assert rows.ignored == by_fields.ignored
    assert len(rows.payloads) + sum(rows.ignored.values()) == len(parsed)
    left, right = (columns_of("x", each)[0].to_pylist() for each in (rows, by_fields))
    for row in (*left, *right):
        del row["source_offset"]
    assert left == right


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"5",
        b"[]",
        b'{"data":{"id":"x"}}',
        b'{"title":"only"}',
        b'{"event":"ats_jobs.x","event_data":{},"data":{"id":"x"}}',
        b'{"event":"ats_jobs.x","event_data":{ }}',
        b'{"event":"ats_jobs.x","event_data":[]}',
        b'{"id":"x","job_status":[1]}',
        b'{"id":"x","title":"\xff"}',
        b'{"id":"x","custom_fields":' + b"[" * 201 + b"]" * 201 + b"}",
        b'{"id":"x","custom_fields":' + b"[" * 20_000,
        b'{"id":-1}',
        b'{"id":"x","title":"\\ud800"}',
    ],
)
def test_other_payloads_have_no_outcome(payload: bytes) -> None:
    rows, others = _in_bulk([b'{"id":"a"}', payload, b'{"id":"b"}'], NO_CONTEXT)
    assert others == [1]
    assert rows.payloads == [b'{"id":"a"}', b'{"id":"b"}']
    assert rows.offsets == [0, 2]


@pytest.mark.parametrize("place", [0, 31, 32, 1023, 1024, 2999])
@pytest.mark.parametrize(
    "payload",
    [b'{"id":"x","title":"\xff"}', b'{"id":"x","custom_fields":' + b"[" * 201 + b"]" * 201 + b"}"],
)
def test_a_fault_that_the_decoder_accepts_is_found_among_many_payloads(
    payload: bytes, place: int
) -> None:
    payloads = [b'{"id":"a","custom_fields":[{},{},{},{}]}'] * 3000
    payloads[place] = payload
    rows, others = _in_bulk(payloads, NO_CONTEXT)
    assert others == [place]
    assert rows.offsets == [each for each in range(3000) if each != place]


def test_common_payloads_are_parsed() -> None:
    payloads = [
        b'{"event":"ats_jobs.updated","event_data":{"id":"x"}}',
        b'{"event":"ats_jobs.deleted","record_id":"x"}',
        b'{"id":"x","title":"\xc3\xa9"}',
        b'{"event":"ats_candidates.updated","event_data":{"id":"x"}}',
    ]
    rows, others = _in_bulk(payloads, NO_CONTEXT)
    assert others == []
    assert rows.payloads == payloads[:3]
    assert rows.ignored == {"ats_candidates.updated": 1}
