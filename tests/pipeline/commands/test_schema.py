"""What `schema check` finds before anybody's reader does, and that the reference is up to date."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.schema import markdown
from schemas.avro import RecordName, record_schema
from schemas.compatibility import RECORD_NAMES, Break, breaks_of, released
from tests.pipeline.command import job_status

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Starting Java takes seconds; its own tests are among those of the readers."""
    monkeypatch.setenv("JOB_STATUS_CACHE", str(tmp_path / "none"))


@pytest.fixture
def event() -> dict[str, Any]:
    """The schema of an event, to change."""
    return copy.deepcopy(record_schema("job_status_event").parsed)


def _field(record: dict[str, Any], name: str) -> dict[str, Any]:
    (field,) = (each for each in record["fields"] if each["name"] == name)
    assert isinstance(field, dict)
    return field


def _replace(record: dict[str, Any], field_name: str, **changes: Any) -> None:
    for field in record["fields"]:
        if field["name"] == field_name:
            field.update(changes)


def _new(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": "New.", **more}


def _whats(found: list[Break], who: str = "") -> str:
    return "; ".join(each.what for each in found if who in each.who)


def test_released_schemas_are_compatible_with_each_other() -> None:
    said = job_status("schema", "check")
    assert said.code == 0, said.out
    assert said.out.count("compatible both ways") == sum(len(released(n)) for n in RECORD_NAMES)


def test_a_file_is_checked_and_what_breaks_is_told(event: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "candidate.avsc"
    event["fields"].append(_new("colour", ["null", "string"], default=None))
    path.write_text(json.dumps(event))
    said = job_status("schema", "check", path)
    assert said.code == 0, said.out
    event["fields"].append(_new("size", "long"))
    path.write_text(json.dumps(event))
    said = job_status("schema", "check", path)
    assert said.code == 1
    assert "readers with the new schema, on files of version 1" in said.out
    assert "size" in said.out
    assert "default null" in said.err


def test_a_changed_namespace_is_found_although_the_checker_sees_none(
    event: dict[str, Any],
) -> None:
    event["namespace"] = "job_status.v2"
    _field(event, "job_status")["type"]["namespace"] = "job_status.v2"
    found = breaks_of(event)
    assert "checker:" not in _whats(found)
    assert "namespace" in _whats(found, "Java")
    assert "Apache avro cannot read" in _whats(found, "readers with version 1")


def test_a_field_that_is_gone_would_be_dropped_without_a_word(event: dict[str, Any]) -> None:
    event["fields"] = [each for each in event["fields"] if each["name"] != "project_id"]
    assert _whats(breaks_of(event)) == "project_id would be dropped without a word"


def test_a_field_that_is_renamed_breaks_both_ways(event: dict[str, Any]) -> None:
    _replace(event, "event_id", name="identity")
    found = breaks_of(event)
    assert "event_id" in _whats(found, "readers with version 1, on new files")
    assert "identity" in _whats(found, "on files of version 1")


def test_another_type_breaks_both_ways(event: dict[str, Any]) -> None:
    _replace(event, "source_offset", type=["null", "string"])
    found = breaks_of(event)
    for who in ("readers with version 1, on new files", "on files of version 1"):
        for reader in ("Avro's checker", "fastavro", "Apache avro"):
            assert reader in _whats(found, who)


def test_a_wider_number_breaks_old_readers_only() -> None:
    letter = copy.deepcopy(record_schema("dead_letter").parsed)
    _replace(letter, "attempt", type="long")
    found = breaks_of(letter)
    assert {each.who for each in found} == {"readers with version 1, on new files"}


def test_a_list_may_grow_but_not_shrink(event: dict[str, Any]) -> None:
    status = _field(event, "job_status")["type"]
    values = status["fields"][0]["values"]
    values.append("paused")
    assert breaks_of(event) == []
    values.remove("open")
    assert "no longer lists open" in _whats(breaks_of(event))
    del status["fields"][0]["values"]
    assert "has lost the list" in _whats(breaks_of(event))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (["null", {"type": "enum", "name": "E", "symbols": ["A"]}], "of type enum"),
        (["null", {"type": "map", "values": "string"}], "of type map"),
        (["null", {"type": "array", "items": "string"}], "of type array"),
        (["null", {"type": "fixed", "name": "F", "size": 2}], "of type fixed"),
        (["null", "string", "long"], "union of other than null"),
    ],
)
def test_types_that_readers_fail_on_are_ruled_out(
    event: dict[str, Any], kind: Any, told: str
) -> None:
    event["fields"].append(_new("extra", kind, default=None))
    assert told in _whats(breaks_of(event))


@pytest.mark.parametrize("name", ["_table_x", "a-b", "ä", "x" * 301])
def test_names_that_warehouses_refuse_are_found(event: dict[str, Any], name: str) -> None:
    event["fields"].append(_new(name, ["null", "string"], default=None))
    assert "name of a column" in _whats(breaks_of(event), "BigQuery")


def test_every_field_needs_a_doc(event: dict[str, Any]) -> None:
    event["fields"].append({"name": "bare", "type": ["null", "string"], "default": None})
    assert "bare has no doc" in _whats(breaks_of(event))


@pytest.mark.parametrize("text", ["no json", "[]", '{"type":"string"}'])
def test_what_is_no_schema_of_a_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "candidate.avsc"
    path.write_text(text)
    said = job_status("schema", "check", path)
    assert said.code == 2
    assert str(path) in said.err


def test_a_schema_that_avro_refuses_is_found(event: dict[str, Any], tmp_path: Path) -> None:
    event["fields"].append(_new("odd", "nothing-known"))
    path = tmp_path / "candidate.avsc"
    path.write_text(json.dumps(event))
    said = job_status("schema", "check", path)
    assert said.code == 1
    assert "no Avro schema" in said.out


def test_another_record_is_none_of_ours() -> None:
    found = breaks_of({"type": "record", "name": "Other", "fields": []})
    assert "JobStatusEvent or DeadLetter" in _whats(found)


@pytest.mark.parametrize("name", RECORD_NAMES)
def test_printed_schemas_are_those_of_the_files(name: RecordName) -> None:
    assert json.loads(job_status("schema", "print", "--record", name).out) == (
        record_schema(name).parsed
    )
    assert json.loads(job_status("schema", "print").out)[name] == record_schema(name).parsed


def test_the_reference_is_up_to_date() -> None:
    text = (DOCS / "schema.md").read_text()
    assert text == markdown(), "job-status schema print --markdown > docs/schema.md"
    for name in RECORD_NAMES:
        for field in record_schema(name).parsed["fields"]:
            assert f"`{field['name']}`" in text
