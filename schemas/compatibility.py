"""Whether a schema can live beside the released ones: old readers read new files, new ones old.

A checker alone is not enough: it calls a changed namespace compatible, and then Java and Python
cannot read a nullable named type. So real files are written and read as well.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any, NamedTuple

import fastavro

from schemas.avro import RecordName, listed_values, record_schema

NAMESPACE = "job_status"
"""Of every record, for ever; versions stand in the names of the schema files."""

RECORD_NAMES: tuple[RecordName, ...] = ("job_status_event", "dead_letter")

_BIGQUERY_NAME = re.compile("(?!_TABLE_|_FILE_|_PARTITION_)[a-z_][a-z0-9_]{0,299}", re.I | re.A)
_RULED_OUT = {
    "enum": "Polars fails on a nullable enum, others on a symbol that is added: use a string "
    "with `values`",
    "map": "Polars cannot read maps",
    "array": "an array makes rows of rows in most tools",
    "fixed": "use bytes",
}

Schema = dict[str, Any]
Reader = Callable[[bytes, str], list[Any]]
"""Reads the records of a file (its bytes) with a reader's schema (its JSON text)."""


class Break(NamedTuple):
    """Something that would break.

    Attributes:
        who: Whose reading, or which rule, in a few words.
        what: What would happen, or what is wrong.
    """

    who: str
    what: str


def released(name: RecordName) -> list[int]:
    """The released versions of a record, oldest first."""
    pattern = re.compile(rf"{name}\.v(\d+)\.avsc")
    files = resources.files(__package__).iterdir()
    return sorted(int(found[1]) for file in files if (found := pattern.fullmatch(file.name)))


def record_name_of(schema: Schema) -> RecordName | None:
    """Which record a schema describes, by its name alone: the namespace is what is checked."""
    short = str(schema.get("name", "")).rpartition(".")[2]
    for name in RECORD_NAMES:
        if record_schema(name).parsed["name"] == short:
            return name
    return None


def breaks_of(candidate: Schema, readers: dict[str, Reader] | None = None) -> list[Break]:
    """Finds what a candidate would break.

    Args:
        candidate: A schema of one of the records, as parsed JSON.
        readers: Further readers to try on real files, by name.

    Returns:
        All that breaks, rules of the house first; empty where everybody can go on.
    """
    name = record_name_of(candidate)
    if name is None:
        known = " or ".join(record_schema(each).parsed["name"] for each in RECORD_NAMES)
        return [Break("everybody", f"the record has to be named {known}")]
    found = list(_rules(candidate))
    text = json.dumps(candidate)
    try:
        fastavro.parse_schema(json.loads(text))
    except Exception as error:
        return [*found, Break("everybody", f"it is no Avro schema: {_short(error)}")]
    tried: dict[str, Reader] = {"fastavro": _read_with_fastavro, "Apache avro": _read_with_avro}
    tried |= readers or {}
    for version in released(name):
        old = record_schema(name, version)
        found += _both_ways(candidate, text, old.parsed, old.text, version, tried)
        found += _values(candidate, old.parsed, version)
    return list(dict.fromkeys(found))


def _rules(schema: Schema, path: str = "") -> Iterator[Break]:
    """The rules that every schema of this project keeps, whatever was released."""
    if not schema.get("doc"):
        yield Break("people", f"{path or schema.get('name')} has no doc")
    if schema.get("namespace", NAMESPACE) != NAMESPACE or "." in schema.get("name", ""):
        yield Break(
            "Java and Apache avro for Python",
            f"the namespace of {path or schema.get('name')} is not {NAMESPACE}: with another one "
            "they cannot read a record of the other files, although the checker sees no fault",
        )
    for field in schema.get("fields", []):
        where = f"{path}.{field['name']}".lstrip(".")
        if not field.get("doc"):
            yield Break("people", f"{where} has no doc")
        if not _BIGQUERY_NAME.fullmatch(field["name"]):
            yield Break("BigQuery", f"does not accept {where} as the name of a column")
        yield from _type_rules(field["type"], where)


def _type_rules(kind: Any, where: str) -> Iterator[Break]:
    if isinstance(kind, list):
        others = [each for each in kind if each != "null"]
        if len(kind) != 2 or kind[0] != "null" or len(others) != 1:
            yield Break(
                "Polars, Spark and Iceberg",
                f"{where} is a union of other than null and one type",
            )
        for each in others:
            yield from _type_rules(each, where)
        return
    name = kind.get("type") if isinstance(kind, dict) else kind
    if name in _RULED_OUT:
        yield Break("several readers", f"{where} is of type {name}; {_RULED_OUT[name]}")
    elif name == "record":
        yield from _rules(kind, where)


def _both_ways(
    new: Schema, new_text: str, old: Schema, old_text: str, version: int, readers: dict[str, Reader]
) -> Iterator[Break]:
    for reader, writer, who, reader_text, writer_text in (
        (old, new, f"readers with version {version}, on new files", old_text, new_text),
        (
            new,
            old,
            f"readers with the new schema, on files of version {version}",
            new_text,
            old_text,
        ),
    ):
        for message in _checked(reader_text, writer_text):
            yield Break(who, f"Avro's checker: {message}")
        data, count = _file_of(writer)
        for name, read in readers.items():
            try:
                records = read(data, reader_text)
            except Exception as error:
                yield Break(who, f"{name} cannot read them: {_short(error)}")
            else:
                if len(records) != count:
                    yield Break(who, f"{name} reads {len(records)} records of {count}")
        lost = _field_paths(writer) - _field_paths(reader)
        if writer is old and lost:
            yield Break(who, f"{', '.join(sorted(lost))} would be dropped without a word")


def _field_paths(schema: Schema, path: str = "") -> set[str]:
    found = set()
    for field in schema["fields"]:
        where = f"{path}{field['name']}"
        found.add(where)
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for kind in kinds:
            if isinstance(kind, dict) and kind.get("type") == "record":
                found |= _field_paths(kind, f"{where}.")
    return found


def _checked(reader_text: str, writer_text: str) -> list[str]:
    """What Apache avro's checker says against a pair of schemas."""
    import avro.compatibility
    import avro.schema

    checker = avro.compatibility.ReaderWriterCompatibilityChecker()
    result = checker.get_compatibility(
        avro.schema.parse(reader_text), avro.schema.parse(writer_text)
    )
    if result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible:
        return []
    places = sorted(result.locations) or [""]
    messages = sorted(str(each) for each in result.messages) or ["they do not match"]
    return [f"{message} (at {', '.join(places)})" for message in messages]


def _file_of(schema: Schema) -> tuple[bytes, int]:
    """A file of records that between them hold every branch, and how many there are."""
    records = [_sample(schema, nulls) for nulls in (False, True)]
    file = io.BytesIO()
    fastavro.writer(file, json.loads(json.dumps(schema)), records)
    return file.getvalue(), len(records)


def _sample(kind: Any, nulls: bool) -> Any:
    if isinstance(kind, list):
        others = [each for each in kind if each != "null"]
        return None if nulls and "null" in kind else _sample(others[0], nulls)
    if isinstance(kind, dict):
        name = kind["type"]
        if name == "record":
            return {
                field["name"]: values[0]
                if (values := listed_values(field)) and not nulls
                else _sample(field["type"], nulls)
                for field in kind["fields"]
            }
        if name == "enum":
            return kind["symbols"][0]
        if name == "array":
            return [_sample(kind["items"], nulls)]
        if name == "map":
            return {"key": _sample(kind["values"], nulls)}
        if name == "fixed":
            return b"0" * kind["size"]
        return _sample(name, nulls)
    return {"string": "text", "bytes": b"bytes", "boolean": True, "null": None}.get(kind, 7)


def _read_with_fastavro(data: bytes, reader_text: str) -> list[Any]:
    return list(fastavro.reader(io.BytesIO(data), json.loads(reader_text)))


def _read_with_avro(data: bytes, reader_text: str) -> list[Any]:
    import avro.datafile
    import avro.io
    import avro.schema

    reader = avro.io.DatumReader(None, avro.schema.parse(reader_text))
    with avro.datafile.DataFileReader(io.BytesIO(data), reader) as file:
        return list(file)


def _values(candidate: Schema, old: Schema, version: int) -> Iterator[Break]:
    """A closed list may grow; what it loses can no longer be written or understood."""
    new = dict(_lists(candidate))
    for where, values in _lists(old):
        lost = set(values) - set(new.get(where, values))
        if lost:
            yield Break(
                "people who count on the list",
                f"{where} no longer lists {', '.join(sorted(lost))} of version {version}",
            )
        elif where not in new and where in _field_paths(candidate):
            yield Break(
                "people who count on the list",
                f"{where} has lost the list of its values that version {version} has",
            )


def _lists(schema: Schema, path: str = "") -> Iterator[tuple[str, list[str]]]:
    for field in schema["fields"]:
        where = f"{path}{field['name']}"
        values = listed_values(field)
        if values is not None:
            yield where, values
        if isinstance(field["type"], dict) and field["type"].get("type") == "record":
            yield from _lists(field["type"], f"{where}.")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
