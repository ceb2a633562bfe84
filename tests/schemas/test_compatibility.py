"""The check of a new schema finds every change that breaks a reader."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas.avro import record_schema
from schemas.compatibility import Incompatibility, incompatibilities

OLD_READERS = "readers with version 1, on new files"
NEW_READERS = "readers with the new schema, on files of version 1"


@pytest.fixture
def event() -> dict[str, Any]:
    """A copy of the released schema of an event."""
    return copy.deepcopy(record_schema("job_status_event").parsed)


def _field(record: dict[str, Any], name: str) -> dict[str, Any]:
    (field,) = (each for each in record["fields"] if each["name"] == name)
    assert isinstance(field, dict)
    return field


def _new(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": "New.", "default": None}


def _problems(found: list[Incompatibility], affected: str = "") -> str:
    return "; ".join(each.problem for each in found if affected in each.affected)


def test_a_changed_namespace_is_found_although_avros_checker_accepts_it(
    event: dict[str, Any],
) -> None:
    event["namespace"] = "job_status.v2"
    _field(event, "job_status")["type"]["namespace"] = "job_status.v2"
    found = incompatibilities(event)
    assert "checker:" not in _problems(found)
    assert "namespace" in _problems(found, "Java")
    assert "Apache avro cannot read" in _problems(found, OLD_READERS)


def test_a_removed_field_is_found_because_readers_would_drop_it(event: dict[str, Any]) -> None:
    event["fields"].remove(_field(event, "project_id"))
    expected = "project_id would be dropped without an error"
    assert _problems(incompatibilities(event)) == expected


def test_a_renamed_field_breaks_both_ways(event: dict[str, Any]) -> None:
    _field(event, "event_id")["name"] = "identity"
    found = incompatibilities(event)
    assert "event_id" in _problems(found, OLD_READERS)
    assert "identity" in _problems(found, NEW_READERS)


def test_a_changed_type_breaks_both_ways(event: dict[str, Any]) -> None:
    _field(event, "source_offset")["type"] = ["null", "string"]
    found = incompatibilities(event)
    for affected in (OLD_READERS, NEW_READERS):
        for reader in ("Avro's checker", "fastavro", "Apache avro"):
            assert reader in _problems(found, affected)


def test_a_wider_number_breaks_old_readers_only() -> None:
    letter = copy.deepcopy(record_schema("dead_letter").parsed)
    _field(letter, "attempt")["type"] = "long"
    assert {each.affected for each in incompatibilities(letter)} == {OLD_READERS}


def test_a_list_of_values_may_grow_but_not_shrink(event: dict[str, Any]) -> None:
    value = _field(event, "job_status")["type"]["fields"][0]
    value["values"].append("paused")
    assert incompatibilities(event) == []
    value["values"].remove("open")
    assert "no longer lists open" in _problems(incompatibilities(event))
    del value["values"]
    assert "has lost the list" in _problems(incompatibilities(event))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (["null", {"type": "enum", "name": "E", "symbols": ["A"]}], "of type enum"),
        (["null", {"type": "map", "values": "string"}], "of type map"),
        (["null", {"type": "array", "items": "string"}], "of type array"),
        (["null", {"type": "fixed", "name": "F", "size": 2}], "of type fixed"),
        (["null", "string", "long"], "not of null and one other type"),
        (["null"], "not of null and one other type"),
    ],
)
def test_a_type_that_some_readers_fail_on_is_found(
    event: dict[str, Any], kind: Any, problem: str
) -> None:
    event["fields"].append(_new("extra", kind))
    assert problem in _problems(incompatibilities(event))


@pytest.mark.parametrize("name", ["_table_x", "a-b", "ä", "x" * 301])
def test_a_name_that_warehouses_do_not_accept_is_found(event: dict[str, Any], name: str) -> None:
    event["fields"].append(_new(name, ["null", "string"]))
    assert "name of a column" in _problems(incompatibilities(event), "BigQuery")


def test_every_field_and_record_needs_a_doc(event: dict[str, Any]) -> None:
    del _field(event, "job_status")["type"]["doc"]
    event["fields"].append({"name": "bare", "type": ["null", "string"], "default": None})
    problems = _problems(incompatibilities(event))
    assert "bare has no doc" in problems
    assert "job_status has no doc" in problems


def test_a_record_of_another_name_is_refused() -> None:
    found = incompatibilities({"type": "record", "name": "Other", "fields": []})
    assert "JobStatusEvent or DeadLetter" in _problems(found)


def test_the_check_does_not_change_its_argument(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    incompatibilities(event)
    assert event == before == record_schema("job_status_event").parsed
