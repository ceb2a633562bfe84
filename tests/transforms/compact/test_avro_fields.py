"""Records are found in their bytes, whatever their texts hold."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import RecordName, record_schema
from tests.transforms.runs import encoded
from transforms.compact.avro_fields import NotRecordsError, Records

START = "@" + "0" * 32 + "\x06job"
"""The bytes with which a record starts."""

STATUSES = st.one_of(st.text(), st.lists(st.text()), st.just(START), st.just(START * 3))


def event(number: int, status: Any, **fields: Any) -> bytes:
    """Returns the payload of an event."""
    job = {"id": str(number), "job_status": {"source_value": status}}
    return json.dumps({"event": "ats_jobs.updated", "event_data": job, **fields}).encode()


def bodies_of(payloads: list[bytes], name: RecordName = "job_status_event") -> list[bytes]:
    """Returns the records of some payloads as a run writes them."""
    blocks = encoded(tuple(payloads), "null")
    parts = [b.records if name == "job_status_event" else b.dead_letters for b in blocks]
    return [part.data for part in parts if part is not None]


def decoded(name: RecordName, body: bytes) -> dict[str, Any]:
    """Decodes a record with fastavro."""
    schema = fastavro.parse_schema(record_schema(name).parsed)
    record = fastavro.schemaless_reader(io.BytesIO(body), schema, None)
    assert isinstance(record, dict)
    return record


@given(st.lists(STATUSES, min_size=1, max_size=6, unique_by=repr))
def test_every_record_and_field_is_that_of_fastavro(statuses: list[Any]) -> None:
    times = ["2025-05-01T10:00:00.123456Z", "0001-01-01T00:00:00Z", "no time"]
    payloads = [
        event(number, status, event_date=times[number % 3])
        for number, status in enumerate(statuses)
    ]
    bodies = bodies_of(payloads)
    records = Records("job_status_event", b"".join(bodies), len(bodies))
    assert records.bodies().to_pylist() == bodies
    expected = [decoded("job_status_event", body) for body in bodies]
    for name in ("event_id", "provider", "job_id", "mapping_fingerprint"):
        assert records.texts(name).to_pylist() == [each[name] for each in expected]
    found = records.texts("job_status.source_value_json").to_pylist()
    assert found == [each["job_status"]["source_value_json"] for each in expected]
    _, valid = records.numbers("event_time")
    assert valid.tolist() == [each["event_time"] is not None for each in expected]


def test_a_text_that_looks_like_a_record_starts_none() -> None:
    bodies = bodies_of([event(1, START), event(2, "open"), event(3, START * 2)])
    assert b"".join(bodies).count(START.encode()) > 0
    assert Records("job_status_event", b"".join(bodies), 3).bodies().to_pylist() == bodies


def test_dead_letters_are_found_too() -> None:
    bodies = bodies_of([b"bad", b"INVALID_JSON", b'["\\ud800"]'], "dead_letter")
    records = Records("dead_letter", b"".join(bodies), len(bodies))
    assert records.bodies().to_pylist() == bodies
    codes = [decoded("dead_letter", body)["error_code"] for body in bodies]
    assert records.texts("error_code").to_pylist() == codes


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_records_is_an_error(count: int) -> None:
    data = b"".join(bodies_of([event(1, "open"), event(2, "closed")]))
    with pytest.raises(NotRecordsError):
        Records("job_status_event", data, count)


def test_bytes_that_are_cut_off_are_an_error() -> None:
    data = b"".join(bodies_of([event(1, "open"), event(2, "closed")]))
    for end in range(1, len(data)):
        with pytest.raises(NotRecordsError):
            Records("job_status_event", data[:end], 2)
