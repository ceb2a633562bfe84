"""`job-status schema`: prints the schemas of the outputs, and checks new ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from pipeline.options import CommandParser, add_command
from pipeline.report import counted, print_result
from schemas.avro import RECORD_NAMES, RecordName, listed_values, record_schema
from schemas.compatibility import incompatibilities, record_name_of, released_versions
from schemas.errors import JobStatusError, UsageError
from transforms.storage import read_text


def schema(arguments: Sequence[str], _: Console) -> None:
    """Runs a subcommand of `schema`; results go to stdout."""
    options = parser().parse_args(arguments)
    options.command(options)


def parser() -> CommandParser:
    """Makes the parser of `schema`."""
    parser = CommandParser(
        prog="job-status schema",
        description="Prints the Avro schemas of the outputs, or checks a new one.",
        examples=("schema print --record job_status_event", "schema check new.avsc"),
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = partial(add_command, commands)
    shown = command(
        "print",
        "print the schemas that are written",
        _print,
        ("schema print", "schema print --record dead_letter > dead_letter.avsc"),
    )
    shown.add_argument("--record", choices=RECORD_NAMES, help="only this schema, as an .avsc file")
    shown.add_argument(
        "--markdown", action="store_true", help="the reference of the docs, as Markdown"
    )
    check = command(
        "check",
        "check a schema against every released version, both ways, with Avro's checker and by "
        "reading real files; without a file, check the released ones",
        _check,
        ("schema check new.avsc", "schema check"),
    )
    check.add_argument("file", metavar="FILE", nargs="?", help="an .avsc file")
    return parser


def _print(options: Any) -> None:
    names: Sequence[RecordName] = [options.record] if options.record else RECORD_NAMES
    if options.markdown:
        sys.stdout.write(markdown(names))
        return
    schemas: Any = {name: record_schema(name).parsed for name in names}
    shown = schemas.get(options.record, schemas)
    sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")


def _check(options: Any) -> None:
    if options.file is not None:
        _check_candidate(_candidate(options.file), options.file)
        return
    for name in RECORD_NAMES:
        for version in released_versions(name):
            _check_candidate(record_schema(name, version).parsed, f"{name}.v{version}.avsc")


def _candidate(path: str) -> dict[str, Any]:
    text = read_text(path, "the schema")
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is not JSON", "a schema is a JSON object") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise UsageError(f"{path} is not the schema of a record")
    return parsed


def _check_candidate(candidate: dict[str, Any], path: str) -> None:
    """Prints the findings about a schema. Raises JobStatusError if there are any."""
    found = incompatibilities(candidate)
    name = record_name_of(candidate)
    if not found and name is not None:
        versions = ", ".join(map(str, released_versions(name)))
        print_result(
            f"{path}: compatible both ways with every released version of {name} ({versions})\n"
        )
        return
    for affected, problem in found:
        print_result(f"{path}: {affected}: {problem}\n")
    raise JobStatusError(
        f"{path} would break: {counted(len(found), 'finding')}",
        "add fields that may be null, with default null; never rename, remove or retype one",
    )


def markdown(names: Sequence[RecordName] = RECORD_NAMES) -> str:
    """Returns the reference of the records, made from their schemas."""
    parts = [
        "# The records\n",
        "Generated from the schemas by `job-status schema print --markdown`. Do not edit.\n",
        "A type with `?` may be null; its default is null. A string with a list of values is a "
        "plain Avro string: the list can grow, and a new symbol of an enum breaks readers.\n",
    ]
    for name in names:
        schema = record_schema(name)
        parsed = schema.parsed
        parts += [
            f"## {parsed['name']}\n",
            f"{parsed['doc']} Version {schema.version}, fingerprint `{schema.fingerprint}`, "
            f"full name `{parsed['namespace']}.{parsed['name']}`.\n",
            "| field | type | meaning |\n| --- | --- | --- |",
            "\n".join(_rows(parsed)) + "\n",
        ]
    return "\n".join(parts)


def _rows(record: dict[str, Any], path: str = "") -> Iterator[str]:
    for field in record["fields"]:
        kind = field["type"]
        text = field["doc"]
        values = listed_values(field)
        if values is not None:
            text += " One of " + ", ".join(f"`{value}`" for value in values) + "."
        yield f"| `{path}{field['name']}` | {_type(kind)} | {text.replace('|', chr(92) + '|')} |"
        if isinstance(kind, dict) and kind["type"] == "record":
            yield from _rows(kind, f"{path}{field['name']}.")


def _type(kind: Any) -> str:
    if isinstance(kind, list):
        return f"{_type(kind[1])}?"
    if isinstance(kind, dict):
        return str(kind.get("logicalType") or kind["type"])
    return str(kind)
