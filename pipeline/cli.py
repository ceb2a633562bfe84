"""The command `job-status`: runs a subcommand and turns errors into messages and exit codes."""

from __future__ import annotations

import difflib
import os
import pkgutil
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.options import parse_compact, parse_run
from pipeline.report import guarded_streams, log_format_of, set_up_logs, starting
from pipeline.runners import lean_imports, make_template, tune_memory
from pipeline.stop_signals import raised_signals
from schemas.errors import JobStatusError, StoppedBySignal, UsageError
from schemas.version import PIPELINE_VERSION

_COMMANDS = {
    "run": ("pipeline.commands.run:run", "read job events, derive statuses, write validated Avro"),
    "validate": ("pipeline.setup:validate", "check that a run could start, and change nothing"),
    "replay": ("pipeline.commands.run:replay", "run dead letters again, once their cause is fixed"),
    "compact": (
        "pipeline.commands.compact:compact",
        "rewrite the files of many runs as few large ones, without duplicates",
    ),
    "dead-letters": (
        "pipeline.commands.dead_letters:dead_letters",
        "count dead letters by reason",
    ),
    "inspect": ("pipeline.inspect:inspect", "show an output or a file, and check it"),
    "mapping": (
        "pipeline.mapping:mapping",
        "explain, test, print, lint or suggest the rules of statuses",
    ),
    "sample": ("pipeline.sample:sample", "write realistic job events to try things on"),
    "schema": ("pipeline.commands.schema:schema", "print the schemas of the outputs, or check one"),
    "completion": (
        "pipeline.commands.completion:completion",
        "complete commands in a shell",
    ),
}
"""Each command's function, whose module is imported when the command runs, and its summary."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with the arguments of the process, or others.

    Errors become messages on stderr. A signal that stops a run ends the process.

    Args:
        arguments: A command and its options, or None for those of the process.

    Returns:
        The exit code: 0 done, 1 unexpected or a check failed, 2 usage, 3 input, 4 too many dead
        letters, 5 output.

    Examples:
        >>> from pipeline import main
        >>> main(["mapping", "lint", "my_mapping.yaml"])
        2
    """
    with guarded_streams():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    tune_memory()
    argv = _with_underscores(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in argv
    console = set_up_logs(log_format_of(argv), debug)
    try:
        try:
            _dispatch(argv, console)
        finally:
            sys.stdout.flush()
        return 0
    except SystemExit as done:  # argparse has printed a help text
        return int(done.code or 0)
    except StoppedBySignal as stop:
        outcome = f"; {stop.outcome}" if stop.outcome else ""
        console.print(f"stopped{outcome}", markup=False, soft_wrap=True)
        # The runner's threads may still be alive and would keep the process from ending.
        os._exit(128 + stop.number)
    except JobStatusError as error:
        if debug:
            console.print_exception()
        console.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
        if error.hint:
            console.print(f"  {escape(error.hint)}", soft_wrap=True)
        return error.exit_code
    except BrokenPipeError:
        return 1
    except Exception as error:
        if debug:
            raise
        # The text of an unexpected error may hold a value of the data. Its type does not.
        console.print(f"[bold red]error:[/] unexpected {type(error).__name__}", soft_wrap=True)
        console.print("  this is a fault of job-status; --debug shows where", soft_wrap=True)
        return 1


def _with_underscores(arguments: Sequence[str]) -> list[str]:
    """Replaces the hyphens in the names of options, so that `--write-mode` is `--write_mode`."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    for index, word in enumerate(words[:end]):
        name, sign, value = word.partition("=")
        if name.startswith("--"):
            words[index] = "--" + name[2:].replace("-", "_") + sign + value
    return words


def _dispatch(argv: list[str], console: Console) -> None:
    if not argv:
        print(_usage(), end="")
        raise SystemExit(UsageError.exit_code)
    name, *arguments = argv
    if name == "help" and arguments:
        _dispatch([*arguments, "--help"], console)
    elif name in ("-h", "--help", "help"):
        print(_usage(), end="")
    elif name == "--version":
        print(PIPELINE_VERSION)
    elif name in ("run", "validate", "replay", "compact"):
        # Parse before the import: help and usage errors need not wait for Beam to load.
        with lean_imports(arguments):
            options: Any
            if name == "compact":
                options, beam_arguments = parse_compact(arguments)
            else:
                options, beam_arguments = parse_run(arguments, name)
            with starting(console):
                run = pkgutil.resolve_name(_COMMANDS[name][0])
        if name != "validate":
            make_template()
        # These commands stage files, and remove them when a signal raises an error.
        with raised_signals():
            run(options, beam_arguments, console)
    elif name in _COMMANDS:
        pkgutil.resolve_name(_COMMANDS[name][0])(arguments, console)
    else:
        raise UsageError(f"unknown command {name!r}", _hint(name))


def _hint(name: str) -> str:
    """Suggests what is meant by a word in place of a command."""
    nearest = difflib.get_close_matches(name, _COMMANDS, 1)
    if nearest:
        return f"did you mean {nearest[0]}?"
    if name.startswith("--"):
        return f"did you mean job-status run {name} ...?"
    if os.path.exists(name) or "*" in name:
        return f"did you mean job-status run --input {shlex.quote(name)}?"
    return "job-status --help lists the commands"


def _usage() -> str:
    commands = "".join(f"  {name:13} {text}\n" for name, (_, text) in _COMMANDS.items())
    return f"""\
usage: job-status COMMAND [options]

commands:
{commands}
job-status help COMMAND shows its options and examples.
job-status --version prints the version.
"""
