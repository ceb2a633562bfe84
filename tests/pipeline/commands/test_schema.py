"""`schema check` finds incompatible schemas, and `schema print` prints the released ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.schema import markdown
from schemas.avro import RECORD_NAMES, RecordName, record_schema
from schemas.compatibility import released_versions
from tests.pipeline.command import job_status

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def event() -> dict[str, Any]:
    """A copy of the released schema of an event."""
    return copy.deepcopy(record_schema("job_status_event").parsed)


def test_the_released_schemas_are_compatible_with_each_other() -> None:
    done = job_status("schema", "check")
    assert done.code == 0, done.out
    versions = sum(len(released_versions(name)) for name in RECORD_NAMES)
    assert done.out.count("compatible both ways") == versions


def test_a_nullable_field_can_be_added_but_not_a_required_one(
    event: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "candidate.avsc"
    event["fields"].append(
        {"name": "colour", "type": ["null", "string"], "doc": "New.", "default": None}
    )
    path.write_text(json.dumps(event))
    done = job_status("schema", "check", path)
    assert done.code == 0, done.out
    event["fields"].append({"name": "size", "type": "long", "doc": "New."})
    path.write_text(json.dumps(event))
    done = job_status("schema", "check", path)
    assert done.code == 1
    assert "readers with the new schema, on files of version 1" in done.out
    assert "size" in done.out
    assert "default null" in done.err


@pytest.mark.parametrize("text", ["no json", "[]", '{"type":"string"}'])
def test_a_file_that_is_not_the_schema_of_a_record_is_a_usage_error(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "candidate.avsc"
    path.write_text(text)
    done = job_status("schema", "check", path)
    assert done.code == 2
    assert str(path) in done.err


def test_a_type_that_avro_does_not_have_is_found(event: dict[str, Any], tmp_path: Path) -> None:
    event["fields"].append({"name": "odd", "type": "nothing-known", "doc": "New."})
    path = tmp_path / "candidate.avsc"
    path.write_text(json.dumps(event))
    done = job_status("schema", "check", path)
    assert done.code == 1
    assert "not an Avro schema" in done.out


@pytest.mark.parametrize("name", RECORD_NAMES)
def test_the_printed_schemas_equal_the_released_files(name: RecordName) -> None:
    released = record_schema(name).parsed
    assert json.loads(job_status("schema", "print", "--record", name).out) == released
    assert json.loads(job_status("schema", "print").out)[name] == released


def test_the_reference_in_the_docs_is_up_to_date() -> None:
    text = (DOCS / "schema.md").read_text()
    assert text == markdown(), "job-status schema print --markdown > docs/schema.md"
    for name in RECORD_NAMES:
        for field in record_schema(name).parsed["fields"]:
            assert f"`{field['name']}`" in text
