"""`job-status completion`: prints a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from collections.abc import Sequence

from rich.console import Console

from pipeline.options import CommandParser, run_parser

_PARSERS = {
    "compact": "pipeline.options:compact_parser",
    "dead-letters": "pipeline.commands.dead_letters:parser",
    "inspect": "pipeline.inspect.command:parser",
    "mapping": "pipeline.mapping.command:parser",
    "sample": "pipeline.sample.command:parser",
    "schema": "pipeline.commands.schema:parser",
    "completion": "pipeline.commands.completion:parser",
}
_RUNS = ("run", "validate", "replay")
_FILES = (
    *("DEAD_LETTERS", "DIR", "FILE", "FILE.json|.html", "OUTPUT", "PATH", "PATTERN"),
    "REPORT.json",
)
"""The metavars of arguments that are paths."""


def completion(arguments: Sequence[str], _: Console) -> None:
    """Prints the script for a shell to stdout."""
    import shtab

    options = parser().parse_args(arguments)
    sys.stdout.write(shtab.complete(_all_commands(), options.shell) + "\n")


def parser() -> CommandParser:
    """Makes the parser of `completion`."""
    parser = CommandParser(
        prog="job-status completion",
        description="Prints a script that completes commands and options in a shell.",
        examples=("completion bash > job-status.bash && source job-status.bash",),
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell")
    return parser


def _all_commands() -> CommandParser:
    whole = CommandParser(prog="job-status", description="Derives the statuses of jobs.")
    commands = whole.add_subparsers(metavar="COMMAND")
    parsers = {name: run_parser(name) for name in _RUNS}
    parsers |= {name: pkgutil.resolve_name(path)() for name, path in _PARSERS.items()}
    for name, each in parsers.items():
        _complete_paths(each)
        # argparse has no public way to add a parser that is made already.
        commands.choices[name] = each
        commands._choices_actions.append(
            argparse._SubParsersAction._ChoicesPseudoAction(name, [], each.description)
        )
    return whole


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _complete_paths(each)
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
