"""Checks that old readers can read files of a new schema, and new readers files of old schemas.

Avro's checker is not enough. It accepts a changed namespace, with which Java and Python cannot read
a nullable named type. Therefore files are written and read as well.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final, NamedTuple

import fastavro
import fastavro.utils

from schemas.avro import RECORD_NAMES, RecordName, listed_values, record_schema

NAMESPACE: Final = "job_status"
"""The namespace of every record. It never changes; the names of the schema files have versions."""

_BIGQUERY_NAME = re.compile("(?!_TABLE_|_FILE_|_PARTITION_)[a-z_][a-z0-9_]{0,299}", re.I | re.A)
_RULED_OUT = {
    "enum": "Polars fails on a nullable enum, others on a symbol that is added: use a string "
    "with `values`",
    "map": "Polars cannot read maps",
    "array": "an array makes rows of rows in most tools",
    "fixed": "use bytes",
}
# A file has random records, and enough of them that every branch of a union occurs.
_RECORDS = 64

Schema = dict[str, Any]


class Incompatibility(NamedTuple):
    """A problem that a schema would cause, in one line, and the readers or people that have it."""

    affected: str
    problem: str


def released_versions(name: RecordName) -> list[int]:
    """Returns the released versions of a record, oldest first."""
    pattern = re.compile(rf"{name}\.v(\d+)\.avsc")
    files = resources.files(__package__).iterdir()
    return sorted(int(found[1]) for file in files if (found := pattern.fullmatch(file.name)))


def record_name_of(schema: Schema) -> RecordName | None:
    """Returns the record that a schema describes. Ignores the namespace, which may be wrong."""
    short = str(schema.get("name", "")).rpartition(".")[2]
    return next(
        (name for name in RECORD_NAMES if record_schema(name).parsed["name"] == short), None
    )


def incompatibilities(candidate: Schema) -> list[Incompatibility]:
    """Returns the problems that a schema of one of the records, as parsed JSON, would cause."""
    name = record_name_of(candidate)
    if name is None:
        known = " or ".join(record_schema(each).parsed["name"] for each in RECORD_NAMES)
        return [Incompatibility("everybody", f"the record has to be named {known}")]
    found = list(_broken_rules(candidate))
    try:
        fastavro.parse_schema(candidate)
    except Exception as error:
        return [*found, Incompatibility("everybody", f"not an Avro schema: {_first_line(error)}")]
    for version in released_versions(name):
        old = record_schema(name, version).parsed
        reader = f"readers with version {version}, on new files"
        found += [Incompatibility(reader, text) for text in _reading_errors(old, candidate)]
        reader = f"readers with the new schema, on files of version {version}"
        found += [Incompatibility(reader, text) for text in _reading_errors(candidate, old)]
        if lost := dict(_fields(old)).keys() - dict(_fields(candidate)).keys():
            text = f"{', '.join(sorted(lost))} would be dropped without an error"
            found.append(Incompatibility(reader, text))
        found += _lost_values(candidate, old, version)
    return list(dict.fromkeys(found))


def _broken_rules(schema: Schema) -> Iterator[Incompatibility]:
    """Yields violations of the rules that every schema must follow, whatever was released."""
    yield from _broken_record_rules(schema, str(schema.get("name")))
    for path, field in _fields(schema):
        if not field.get("doc"):
            yield Incompatibility("people", f"{path} has no doc")
        if not _BIGQUERY_NAME.fullmatch(field["name"]):
            yield Incompatibility("BigQuery", f"does not accept {path} as the name of a column")
        branches = _branches(field)
        if isinstance(field["type"], list) and (len(branches) != 2 or branches[0] != "null"):
            problem = f"{path} is a union, but not of null and one other type"
            yield Incompatibility("Polars, Spark and Iceberg", problem)
        for branch in branches:
            kind = branch.get("type") if isinstance(branch, dict) else branch
            if reason := _RULED_OUT.get(str(kind)):
                yield Incompatibility("several readers", f"{path} is of type {kind}; {reason}")
            elif kind == "record":
                yield from _broken_record_rules(branch, path)


def _broken_record_rules(record: Schema, path: str) -> Iterator[Incompatibility]:
    if not record.get("doc"):
        yield Incompatibility("people", f"{path} has no doc")
    if record.get("namespace", NAMESPACE) != NAMESPACE or "." in record.get("name", ""):
        yield Incompatibility(
            "Java and Apache avro for Python",
            f"the namespace of {path} is not {NAMESPACE}: with another one they cannot read the "
            "other files, although Avro's checker accepts it",
        )


def _fields(record: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yields the fields of a record and of the records in it, each with its path."""
    for field in record.get("fields", []):
        yield f"{path}{field['name']}", field
        for branch in _branches(field):
            if isinstance(branch, dict) and branch.get("type") == "record":
                yield from _fields(branch, f"{path}{field['name']}.")


def _branches(field: Schema) -> list[Any]:
    kind = field["type"]
    return kind if isinstance(kind, list) else [kind]


def _reading_errors(reader: Schema, writer: Schema) -> Iterator[str]:
    """Yields an error for each checker and library that cannot read a writer's file as a reader."""
    reader_text = json.dumps(reader)
    for message in _checker_errors(reader_text, json.dumps(writer)):
        yield f"Avro's checker: {message}"
    file = io.BytesIO()
    fastavro.writer(file, writer, fastavro.utils.generate_many(writer, _RECORDS))
    for name, read in (("fastavro", _read_with_fastavro), ("Apache avro", _read_with_avro)):
        try:
            count = len(read(io.BytesIO(file.getvalue()), reader_text))
        except Exception as error:
            yield f"{name} cannot read them: {_first_line(error)}"
        else:
            if count != _RECORDS:
                yield f"{name} reads {count} records of {_RECORDS}"


def _checker_errors(reader_text: str, writer_text: str) -> list[str]:
    import avro.compatibility
    import avro.schema

    checker = avro.compatibility.ReaderWriterCompatibilityChecker()
    result = checker.get_compatibility(
        avro.schema.parse(reader_text), avro.schema.parse(writer_text)
    )
    if result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible:
        return []
    places = ", ".join(sorted(result.locations))
    messages = sorted(map(str, result.messages)) or ["they do not match"]
    return [f"{message} (at {places})" for message in messages]


def _read_with_fastavro(file: io.BytesIO, reader_text: str) -> list[Any]:
    return list(fastavro.reader(file, json.loads(reader_text)))


def _read_with_avro(file: io.BytesIO, reader_text: str) -> list[Any]:
    import avro.datafile
    import avro.io
    import avro.schema

    reader = avro.io.DatumReader(None, avro.schema.parse(reader_text))
    return list(avro.datafile.DataFileReader(file, reader))


def _lost_values(candidate: Schema, old: Schema, version: int) -> Iterator[Incompatibility]:
    """Yields what closed lists lose. A list may grow, but readers must understand old values."""
    affected = "people who rely on the list"
    fields = dict(_fields(candidate))
    for path, old_field in _fields(old):
        old_values = listed_values(old_field)
        if old_values is None or path not in fields:
            continue
        values = listed_values(fields[path])
        if values is None:
            problem = f"{path} has lost the list of its values that version {version} has"
            yield Incompatibility(affected, problem)
        elif lost := set(old_values) - set(values):
            names = ", ".join(sorted(lost))
            yield Incompatibility(affected, f"{path} no longer lists {names} of version {version}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
