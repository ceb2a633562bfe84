"""Rows become the records that fastavro would write."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import fastavro
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.avro import record_schema
from tests.transforms.kernel.rows import finished
from transforms.kernel.encoding import RecordEncoder
from transforms.kernel.rows import (
    ACCOUNT_ID,
    CONTEXT_FIELDS,
    CREATED_AT,
    EVENT_TYPE,
    JOB_CREATED_AT,
    JOB_ID,
    POSTING_ID,
    PROJECT_ID,
    PROVIDER,
    REMOTE_JOB_ID,
    REMOTE_POSTING_ID,
    UNREADABLE,
    Contexts,
    FinishedRows,
)

SCHEMA = record_schema("job_status_event").parsed
_FIELDS = {
    "event_type": EVENT_TYPE,
    "project_id": PROJECT_ID,
    "account_id": ACCOUNT_ID,
    "provider": PROVIDER,
    "job_id": JOB_ID,
    "remote_job_id": REMOTE_JOB_ID,
    "posting_id": POSTING_ID,
    "remote_posting_id": REMOTE_POSTING_ID,
}
_STATUS = dict.fromkeys(
    (
        each["name"]
        for field in SCHEMA["fields"]
        if field["name"] == "job_status"
        for each in field["type"]["fields"]
    ),
    "x",
)


def _fastavro(name: str, value: Any) -> bytes:
    (schema,) = (field["type"] for field in SCHEMA["fields"] if field["name"] == name)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, value)
    return body.getvalue()


_TAIL = _fastavro("message_id", "17") + _fastavro("publish_time", 1_700_000_000_000_000)
_FRAGMENT = b"".join(
    [
        _fastavro("legacy_status", None),
        _fastavro("job_status", _STATUS),
        _fastavro("mapping_fingerprint", "f" * 16),
    ]
)
CONTEXTS = Contexts.of([((*[None] * (CONTEXT_FIELDS - 2), "job", None), _TAIL)])


def encoded(events: FinishedRows, source: str = "/in/é.jsonl") -> bytes:
    """Encodes events that all have the same fragment."""
    encoder = RecordEncoder()
    for _ in range(int(events.combinations.max(initial=-1)) + 1):
        encoder.add_fragment(_FRAGMENT)
    return bytes(encoder.encode(events, source))


_texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(_FIELDS.values(), _texts)), max_size=9),
    st.sampled_from([None, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "soon"]),
)
@example([{JOB_ID: "x" * 100_000}] * 3, "1969-12-31T23:59:59.999999Z")
def test_rows_are_encoded_as_by_fastavro(events: list[dict[int, Any]], time: str | None) -> None:
    rows = finished([{**event, CREATED_AT: time} for event in events], CONTEXTS)
    expected = io.BytesIO()
    for row, event in enumerate(events):
        micros = int(rows.times[row, JOB_CREATED_AT])
        created = None if micros == UNREADABLE else micros
        record = {
            "event_id": rows.ids[row].tobytes().hex(),
            "record_type": "job",
            "event_time": created,
            "job_created_at": created,
            "job_updated_at": None,
            "legacy_status": None,
            "job_status": _STATUS,
            "mapping_fingerprint": "f" * 16,
            "source": "/in/é.jsonl",
            "source_offset": row,
            "message_id": "17",
            "publish_time": 1_700_000_000_000_000,
            **{name: event.get(field) for name, field in _FIELDS.items()},
        }
        fastavro.schemaless_writer(expected, SCHEMA, record)
    assert encoded(rows) == expected.getvalue()


def test_the_memory_for_records_grows_as_needed() -> None:
    rows = finished([{JOB_ID: str(number) * 1000} for number in range(5000)], CONTEXTS)
    body = io.BytesIO(encoded(rows))
    records: list[Any] = [fastavro.schemaless_reader(body, SCHEMA, None) for _ in range(5000)]
    assert [record["job_id"] for record in records] == [
        str(number) * 1000 for number in range(5000)
    ]


def test_the_memory_for_a_large_block_is_given_back() -> None:
    encoder = RecordEncoder()
    encoder.add_fragment(_FRAGMENT)
    tracemalloc.start()
    try:
        large = len(encoder.encode(finished([{JOB_ID: "x" * 20_000_000}], CONTEXTS), "s"))
        encoder.encode(finished([{JOB_ID: "x"}], CONTEXTS), "s")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert large > 20_000_000
    assert held < 10_000_000
