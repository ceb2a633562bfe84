"""`job-status mapping`: explains, prints, suggests and checks the rules that derive a status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console

from pipeline.mapping.explain import explain_text
from pipeline.mapping.lint import lint_text
from pipeline.mapping.suggest import suggest_text
from pipeline.mapping.tables import tables_text
from pipeline.options import CommandParser, add_command
from pipeline.setup import read_mapping, read_text
from schemas.errors import UsageError


def mapping(arguments: Sequence[str], _: Console) -> None:
    """Runs a subcommand of `mapping` and writes its result to stdout."""
    options = _parser().parse_args(arguments)
    sys.stdout.write(options.command(options).rstrip("\n") + "\n")


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="job-status mapping",
        description="The rules that derive a status: see them, check them, add to them.",
    )
    command = partial(add_command, parser.add_subparsers(metavar="COMMAND", required=True))
    explain = command("explain", "the status of a source value, and its rule", _explain)
    explain.add_argument("--provider", metavar="NAME", help="the hiring system")
    explain.add_argument("json", metavar="JSON", help="the source value, as JSON")
    tables = command("print", "the tables in force", _print)
    suggest = command("suggest", "a mapping file to fill in, for statuses without a rule", _suggest)
    suggest.add_argument("report", metavar="REPORT.json", help="a report or a manifest")
    for each in (explain, tables, suggest):
        each.add_argument("--mapping", metavar="FILE", help="rules that add to the built-in ones")
    lint = command("lint", "checks a mapping file", _lint)
    lint.add_argument("file", metavar="FILE")
    return parser


def _explain(options: Any) -> str:
    return explain_text(options.provider, options.json, read_mapping(options.mapping))


def _print(options: Any) -> str:
    return tables_text(read_mapping(options.mapping))


def _suggest(options: Any) -> str:
    report = read_text(options.report, "the report")
    return suggest_text(report, read_mapping(options.mapping), options.report)


def _lint(options: Any) -> str:
    text, problems = lint_text(read_text(options.file, "the mapping"), options.file)
    if problems:
        sys.stdout.write(text)
        raise UsageError(f"{options.file} has {problems} problem{'s' * (problems != 1)}")
    return text
