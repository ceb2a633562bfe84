"""`job-status mapping`: explains, tests, prints, suggests and checks the rules of statuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console

from pipeline.mapping.case_runner import CaseFile, run_cases
from pipeline.mapping.explain import explain_text
from pipeline.mapping.lint import lint_text
from pipeline.mapping.suggest import suggest_text
from pipeline.mapping.tables import tables_text
from pipeline.options import CommandParser, add_command
from pipeline.report import counted, print_result
from pipeline.setup import override_text, read_mapping
from schemas.errors import JobStatusError, UsageError
from schemas.mapping import (
    MappingError,
    find_overrides,
    json_schema,
    merge_files,
    parse_cases,
    parse_mapping,
    problem_lines,
)
from transforms.storage import read_text


def mapping(arguments: Sequence[str], messages: Console) -> None:
    """Runs a subcommand of `mapping` and writes its result to stdout."""
    options = parser().parse_args(arguments)
    options.command(options, messages)


def parser() -> CommandParser:
    """Makes the parser of `mapping`."""
    parser = CommandParser(
        prog="job-status mapping",
        description="Shows, checks and extends the rules that derive a status.",
        examples=(
            'mapping explain --provider bamboohr \'{"id":3,"label":"OnHold"}\'',
            "mapping suggest report.json > my_mapping.yaml",
        ),
    )
    command = partial(add_command, parser.add_subparsers(metavar="COMMAND", required=True))
    explain = command(
        "explain",
        "explain the status of a source value by its rule",
        _explain,
        ("mapping explain --provider lever closed", 'mapping explain \'{"label":"OnHold"}\''),
    )
    explain.add_argument("--provider", metavar="NAME", help="the hiring system")
    text = "the source value: JSON, or else a text"
    explain.add_argument("source", type=str, metavar="VALUE", help=text)  # may be empty
    test = command(
        "test",
        "check that cases have the expected status",
        _test,
        ("mapping test cases.yaml --mapping my_mapping.yaml",),
    )
    test.add_argument("files", metavar="FILE", nargs="+", help="a list of cases, in YAML")
    tables = command(
        "print",
        "print the tables in force",
        _print,
        ("mapping print", "mapping print --mapping my_mapping.yaml"),
    )
    suggest = command(
        "suggest",
        "print a mapping file to fill in, for statuses without a rule",
        _suggest,
        ("mapping suggest report.json > my_mapping.yaml",),
    )
    suggest.add_argument("report", metavar="REPORT.json", help="a report or a manifest")
    for each in (explain, test, tables, suggest):
        each.add_argument(
            "--mapping",
            metavar="FILE",
            action="append",
            default=[],
            help="rules that override the built-in ones, later files win; repeatable",
        )
    lint = command("lint", "check mapping files", _lint, ("mapping lint my_mapping.yaml",))
    lint.add_argument("files", metavar="FILE", nargs="+", help="a mapping file; later ones win")
    command(
        "schema",
        "print the JSON Schema of a mapping file, for editors",
        _schema,
        ("mapping schema > mapping.schema.json",),
    )
    return parser


def _explain(options: Any, messages: Console) -> None:
    tables = read_mapping(options.mapping, messages)
    print_result(explain_text(options.provider, options.source, tables))


def _test(options: Any, messages: Console) -> None:
    files = [_read_cases(path) for path in options.files]
    text, failed = run_cases(files, read_mapping(options.mapping, messages))
    print_result(text)
    if failed:
        raise JobStatusError(f"{counted(failed, 'case')} failed")


def _read_cases(path: str) -> CaseFile:
    text = read_text(path, "the file of cases")
    try:
        return CaseFile(path, parse_cases(text, path))
    except MappingError as e:
        if len(e.problems) > 1:
            print_result("\n".join(problem_lines(path, e.problems)) + "\n")
        raise


def _print(options: Any, messages: Console) -> None:
    print_result(tables_text(read_mapping(options.mapping, messages)))


def _suggest(options: Any, messages: Console) -> None:
    report = read_text(options.report, "the report")
    tables = read_mapping(options.mapping, messages)
    print_result(suggest_text(report, tables, options.report))


def _lint(options: Any, _: Console) -> None:
    texts = {path: read_text(path, "the mapping") for path in options.files}
    problems = 0
    for path, text in texts.items():
        result, count = lint_text(text, path)
        print_result(result)
        problems += count
    if problems:
        raise UsageError(f"{counted(problems, 'problem')} in {', '.join(texts)}")
    files = [parse_mapping(text, path) for path, text in texts.items()]
    for override in find_overrides(merge_files(files)):
        print_result(override_text(override) + "\n")


def _schema(_: Any, __: Console) -> None:
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
