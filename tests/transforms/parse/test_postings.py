"""A posting is recognised in every shape, and has its own ids beside those of its job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.transforms.event_cases import (
    events_in,
    events_of,
    found_in,
    parsed_blocks,
    rejection_of,
    rows_of,
)
from transforms.blocks.context import Context
from transforms.kernel.scanning import KEYS
from transforms.parse.event_types import EventTypes
from transforms.parse.one_by_one import EventFinder

_POSTING = {
    **{"id": "p1", "remote_id": "p2", "job_id": "j1", "remote_job_id": "j2", "title": "Archivist"},
    **{"status": {"value": "live", "source_value": "Live"}, "updated_at": "2025-05-01T10:00:00Z"},
}
_IDS = ("job_id", "remote_job_id", "posting_id", "remote_posting_id")
_ENVELOPE = {"event": "ats_job_postings.updated", "record_id": "e1", "record_remote_id": "e2"}


def _read(payload: Any, **options: Any) -> list[dict[str, Any]]:
    return events_in(json.dumps(payload), **options)


def _ids(event: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(event[name] for name in _IDS)


SHAPES = {
    "an envelope": {**_ENVELOPE, "event_data": _POSTING},
    "an envelope with data": {**_ENVELOPE, "data": _POSTING},
    "an envelope with an array": {**_ENVELOPE, "event_data": [_POSTING]},
    "a flat envelope": {**_ENVELOPE, **_POSTING},
    "a bare posting": _POSTING,
    "a page": {"next": None, "data": [_POSTING]},
    "a page with one posting": {"data": _POSTING},
    "an array": [_POSTING],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_posting_has_the_same_fields_in_every_shape(shape: str) -> None:
    (event,) = _read(SHAPES[shape])
    assert event["record_type"] == "job_posting"
    assert _ids(event) == ("j1", "j2", "p1", "p2")
    assert event["legacy_status"] is None
    status = event["job_status"]
    assert (status["given_value"], status["source_value_json"]) == ("live", '"Live"')
    assert status["source_value_type"] == "string"
    assert event["job_updated_at"].hour == 10


@pytest.mark.parametrize("shape", SHAPES)
def test_a_posting_in_a_block_is_the_same_as_alone(shape: str) -> None:
    payload = json.dumps(SHAPES[shape]).encode()
    rows = events_of(*parsed_blocks(b'{"id":"a"}', payload, b'{"id":"b"}'))
    (alone,) = events_in(payload)
    (posting,) = [row for row in rows if row["record_type"] == "job_posting"]
    assert {**posting, "source_offset": 0} == {**alone, "source_offset": 0}
    assert [row["job_id"] for row in rows if row["record_type"] == "job"] == ["a", "b"]


def test_the_ids_of_the_record_replace_missing_ids_of_the_posting_but_not_of_its_job() -> None:
    (event,) = _read({**_ENVELOPE, "event_data": {"status": {"value": "live"}, "job_id": 7}})
    assert _ids(event) == ("7", None, "e1", "e2")


def test_an_event_with_only_ids_is_a_posting_by_its_event_type() -> None:
    (event,) = _read({**_ENVELOPE, "event": "ats_job_postings.deleted"})
    assert (event["record_type"], *_ids(event)) == ("job_posting", None, None, "e1", "e2")
    assert event["job_status"]["source_value_type"] == "missing"


@pytest.mark.parametrize("status", [None, "live"])
def test_the_fast_ways_leave_postings_to_the_other_one(status: str | None) -> None:
    payload = json.dumps({**_ENVELOPE, "event_data": {"job_id": "j", "status": status}})
    alone, in_block, in_array = (
        rows[0]
        for rows in (
            events_in(payload),
            events_of(*parsed_blocks(payload.encode())),
            events_in(f" [{payload}]"),
        )
    )
    assert (alone["record_type"], alone["job_id"], alone["posting_id"]) == (
        "job_posting",
        "j",
        "e1",
    )
    assert alone == in_block == {**in_array, "source_offset": 0}


def test_the_older_key_of_the_job_is_read_if_the_newer_one_is_missing() -> None:
    older = {**_POSTING, "remote_job_id": None, "remote_job_posting_id": "old"}
    assert _read(older)[0]["remote_job_id"] == "old"
    assert _read({**older, "remote_job_id": "new"})[0]["remote_job_id"] == "new"


@pytest.mark.parametrize("status", ['"Live"', "true", "3", "null"])
def test_a_posting_by_its_event_type_may_have_any_status_but_an_array(status: str) -> None:
    payload = f'{{"event":"ats_job_postings.x","event_data":{{"id":"p","status":{status}}}}}'
    (event,) = events_in(payload)
    expected = None if status == "null" else status
    assert event["job_status"]["source_value_json"] == expected
    assert _ids(event) == (None, None, "p", None)


def test_an_element_with_only_a_job_id_is_a_posting_by_the_event_type_around_it() -> None:
    (event,) = _read({"event": "ats_job_postings.x", "data": [{"job_id": "j"}]})
    assert _ids(event) == ("j", None, None, None)
    assert rejection_of('{"job_id":"j"}').code == "NOT_AN_EVENT"


def test_the_event_type_of_a_message_makes_a_posting() -> None:
    (event,) = _read({"id": "p"}, context=Context(event_type="ats_job_postings.created"))
    assert _ids(event) == (None, None, "p", None)


# Only an object without an event type is judged by its fields.


@pytest.mark.parametrize(
    "payload",
    [
        {"event": "ats_jobs.updated", "event_data": _POSTING},
        {"event": "ats_jobs.updated", "data": [_POSTING]},
        {"id": "a", "job_status": "open", "status": {"value": "live"}},
        {"id": "a", "status": {"label": "live"}},
        {"id": "a", "status": {}},
    ],
)
def test_the_status_of_a_job_is_not_an_object(payload: Any) -> None:
    rejection = rejection_of(json.dumps(payload))
    assert rejection.code == "WRONG_TYPE"
    assert (rejection.path or "").endswith(".status")


@pytest.mark.parametrize("status", [{"value": None}, {"source_value": 1}, {"value": "x", "y": 1}])
def test_an_object_with_a_pair_as_its_status_is_a_posting(status: Any) -> None:
    (event,) = _read({"id": "p", "status": status})
    assert event["record_type"] == "job_posting"


def test_an_object_with_a_text_as_its_status_is_a_job() -> None:
    (event,) = _read({"id": "a", "status": "closed"})
    assert (event["record_type"], event["legacy_status"]) == ("job", "closed")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"status": {"value": 1}}, "$.status.value"),
        ({"job_id": []}, "$.job_id"),
        ({"remote_job_id": None, "remote_job_posting_id": {}}, "$.remote_job_posting_id"),
        ({"id": True}, "$.id"),
    ],
)
def test_a_used_field_of_a_wrong_type_is_rejected_with_its_path(
    changes: dict[str, Any], path: str
) -> None:
    rejection = rejection_of(json.dumps({**_POSTING, **changes}))
    assert (rejection.code, rejection.path) == ("WRONG_TYPE", path)


def test_an_array_is_no_status_of_a_posting() -> None:
    rejection = rejection_of('{"event":"ats_job_postings.x","event_data":{"status":[]}}')
    assert (rejection.code, rejection.path) == ("WRONG_TYPE", "$.event_data.status")


# Event types


def test_by_default_envelopes_of_postings_are_ignored_and_bare_postings_are_written() -> None:
    finder = EventFinder(EventTypes(), 10_000_000)
    payload = json.dumps([*SHAPES.values()]).encode()
    rows = found_in(payload, finder=finder)
    assert rows.ignored == {"ats_job_postings.updated": 4}
    assert [row["record_type"] for row in rows_of(rows)] == ["job_posting"] * 4


@pytest.mark.parametrize(
    ("event_type", "name"),
    [
        ("ats_jobs.updated", "job"),
        ("ats_job_postings.updated", "job_posting"),
        ("ats_candidates.updated", "job"),
    ],
)
def test_the_event_type_decides_the_kind(event_type: str, name: str) -> None:
    kind = EventTypes(("ats_*",))(event_type)
    assert kind is not None and kind.name == name


# Identity


def test_each_id_of_a_posting_is_part_of_its_identity() -> None:
    ids = [{**_POSTING, name: "x"} for name in ("id", "remote_id", "job_id", "remote_job_id")]
    events = [_read(each)[0]["event_id"] for each in (_POSTING, *ids)]
    assert len(set(events)) == 5


def test_a_posting_and_a_job_with_the_same_texts_have_other_identities() -> None:
    job = {"id": "a", "job_status": {"value": "draft"}}
    posting = {"job_id": "a", "status": {"value": "draft"}}
    assert _read(job)[0]["event_id"] != _read(posting)[0]["event_id"]


def test_the_payload_identifies_a_posting_without_any_id() -> None:
    status = {"status": {"value": "live"}}
    assert _read(status)[0]["event_id"] != _read({**status, "title": "x"})[0]["event_id"]
    named = {**status, "job_id": "j"}
    assert _read(named)[0]["event_id"] == _read({**named, "title": "x"})[0]["event_id"]


def test_the_scanner_takes_no_posting_for_a_job() -> None:
    # It takes objects without an event type, so it must know the key of every kind's status.
    assert {kind.status_key.encode() for kind in EventTypes().kinds} <= {*KEYS}
