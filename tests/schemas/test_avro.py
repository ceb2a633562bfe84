"""The released schemas never change, because files and readers depend on them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import avro.schema
import fastavro
import pytest

from schemas.avro import RecordName, listed_values, record_schema
from schemas.mapping.file import VALUES

_TIME = {"type": "long", "logicalType": "timestamp-micros"}
_EVENT: dict[str, Any] = {
    "event_id": "string",
    "record_type": "string",
    "event_type": ["null", "string"],
    "event_time": ["null", _TIME],
    "project_id": ["null", "string"],
    "account_id": ["null", "string"],
    "provider": ["null", "string"],
    "job_id": ["null", "string"],
    "remote_job_id": ["null", "string"],
    "posting_id": ["null", "string"],
    "remote_posting_id": ["null", "string"],
    "job_created_at": ["null", _TIME],
    "job_updated_at": ["null", _TIME],
    "legacy_status": ["null", "string"],
    "job_status": "JobStatus",
    "mapping_fingerprint": "string",
    "source": ["null", "string"],
    "source_offset": ["null", "long"],
    "message_id": ["null", "string"],
    "publish_time": ["null", _TIME],
}
_STATUS: dict[str, Any] = {
    "value": ["null", "string"],
    "source_value": ["null", "string"],
    "source_value_json": ["null", "string"],
    "source_value_type": "string",
    "given_value": ["null", "string"],
    "derived_from": "string",
    "derivation": "string",
}
_DEAD_LETTER: dict[str, Any] = {
    "dead_letter_id": "string",
    "error_code": "string",
    "step": "string",
    "error_path": ["null", "string"],
    "error_message": "string",
    "payload": ["null", "bytes"],
    "payload_size": "long",
    "payload_truncated": "boolean",
    "payload_sha256": "string",
    "event_type": ["null", "string"],
    "event_date": ["null", "string"],
    "project_id": ["null", "string"],
    "account_id": ["null", "string"],
    "provider": ["null", "string"],
    "default_provider": ["null", "string"],
    "source": ["null", "string"],
    "source_offset": ["null", "long"],
    "message_id": ["null", "string"],
    "publish_time": ["null", _TIME],
    "attributes": ["null", "string"],
    "pipeline_version": "string",
    "attempt": "int",
}
_NAMES: list[RecordName] = ["job_status_event", "dead_letter"]


def _types(record: dict[str, Any]) -> dict[str, Any]:
    return {
        field["name"]: field["type"]["name"]
        if isinstance(field["type"], dict) and "name" in field["type"]
        else field["type"]
        for field in record["fields"]
    }


def _status() -> dict[str, Any]:
    (status,) = (
        field["type"]
        for field in record_schema("job_status_event").parsed["fields"]
        if field["name"] == "job_status"
    )
    return dict(status)


def _fields(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in record["fields"]:
        yield field
        if isinstance(field["type"], dict) and field["type"]["type"] == "record":
            yield from _fields(field["type"])


def test_the_fields_and_their_types_have_a_fixed_order() -> None:
    event = record_schema("job_status_event").parsed
    for record, expected in (
        (event, _EVENT),
        (_status(), _STATUS),
        (record_schema("dead_letter").parsed, _DEAD_LETTER),
    ):
        assert list(_types(record).items()) == list(expected.items())


def test_the_names_and_the_namespace_of_the_records_are_fixed() -> None:
    named = [record_schema(name).parsed for name in _NAMES] + [_status()]
    assert [each["name"] for each in named] == ["JobStatusEvent", "DeadLetter", "JobStatus"]
    assert {each["namespace"] for each in named} == {"job_status"}


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [("job_status_event", "d33f0eb556137bdc"), ("dead_letter", "6ebf04c08b9c753e")],
)
def test_a_released_version_never_changes(name: RecordName, fingerprint: str) -> None:
    schema = record_schema(name, 1)
    assert (schema.name, schema.version) == (name, 1)
    assert schema.fingerprint == fingerprint


@pytest.mark.parametrize("name", _NAMES)
def test_the_text_is_the_parsed_schema_on_one_line(name: RecordName) -> None:
    schema = record_schema(name)
    assert json.loads(schema.text) == schema.parsed
    assert "\n" not in schema.text


@pytest.mark.parametrize("name", _NAMES)
def test_every_field_has_a_doc_and_a_name_that_warehouses_accept(name: RecordName) -> None:
    schema = record_schema(name).parsed
    assert schema["doc"] and _status()["doc"]
    for field in _fields(schema):
        assert field["doc"].endswith(".")
        # BigQuery: letters, digits and underscores, no digit first, at most 300 characters.
        assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,299}", field["name"])
        assert not re.match("_(TABLE|FILE|PARTITION)_", field["name"], re.IGNORECASE)


@pytest.mark.parametrize("name", _NAMES)
def test_unions_are_of_null_and_one_type_and_no_type_is_an_enum_or_map(name: RecordName) -> None:
    schema = record_schema(name)
    for kind in ("enum", "map", "array", "fixed"):
        assert f'"type":"{kind}"' not in schema.text
    for field in _fields(schema.parsed):
        if isinstance(field["type"], list):
            assert len(field["type"]) == 2 and field["type"][0] == "null"
            assert not isinstance(field["type"][1], list)
            assert "default" in field and field["default"] is None
        else:
            assert "default" not in field


def test_the_closed_lists_of_values_are_fixed() -> None:
    lists = {
        field["name"]: values
        for name in _NAMES
        for field in _fields(record_schema(name).parsed)
        if (values := listed_values(field)) is not None
    }
    assert lists == {
        "record_type": ["job", "job_posting"],
        "value": [
            *("published", "draft", "pending", "internal", "archived", "closed", "open"),
            *("deleted", "on_hold", "unmapped_value"),
        ],
        "source_value_type": ["missing", "null", "boolean", "number", "string", "array", "object"],
        "derived_from": ["value", "source_value", "status", "event_type", "nothing"],
        "derivation": [
            *("given", "provider_rule", "global_rule", "event_type", "unmapped", "absent")
        ],
        "error_code": [
            *("INVALID_UTF8", "INVALID_JSON", "NOT_AN_EVENT", "WRONG_TYPE", "TOO_LARGE"),
            *("TOO_DEEP", "LONE_SURROGATE", "SCHEMA_VIOLATION", "INTERNAL"),
        ],
    }
    assert set(VALUES) == set(lists["value"])


@pytest.mark.parametrize("name", _NAMES)
def test_fastavro_and_apache_avro_accept_the_schema(name: RecordName) -> None:
    schema = record_schema(name)
    fastavro.parse_schema(dict(schema.parsed))
    assert avro.schema.parse(schema.text).type == "record"


def test_a_version_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        record_schema("dead_letter", 999)
