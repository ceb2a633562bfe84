"""The command `job-status`: finds the subcommand, and says errors that people can act on."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape

from pipeline.options import argv_or
from pipeline.report import log_format_of, set_up_logs
from pipeline.runners import collect_less_often
from pipeline.stop_signals import raised_signals
from schemas.errors import JobStatusError, StoppedBySignal, UsageError
from schemas.version import PIPELINE_VERSION

_USAGE = """\
usage: job-status COMMAND [options]

commands:
  run           read job events, derive their statuses, write validated Avro
  validate      look whether a run could start, and change nothing
  replay        run what became dead letters again, once its cause is mended
  dead-letters  what is wrong with dead letters, grouped and counted
  inspect       what is in an output or a file, and whether it is what was committed
  mapping       explain, print, lint or suggest the rules that derive a status
  sample        make realistic job events to try things on
  schema        print the schemas of the outputs, or check one against what was released

job-status COMMAND --help says more. job-status --version prints the version.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Without the program's name; those of the process if None.

    Returns:
        The exit code: 0 done, 1 unexpected or a check failed, 2 usage, 3 input, 4 too many dead
        letters, 5 output.
    """
    collect_less_often()
    argv = argv_or(arguments)
    debug = "--debug" in argv
    console = set_up_logs(log_format_of(argv), debug)
    try:
        return _dispatch(argv, console)
    except StoppedBySignal as stop:
        outcome = f"; {stop.outcome}" if stop.outcome else ""
        console.print(f"stopped{outcome}", markup=False, soft_wrap=True)
        # Threads of the engine may still be alive, and would keep the process from ending.
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
        # What an unforeseen error says may hold a value of the data; its kind does not.
        console.print(f"[bold red]error:[/] unexpected {type(error).__name__}", soft_wrap=True)
        console.print("  this is a fault of job-status; --debug shows where", soft_wrap=True)
        return 1


def _dispatch(argv: list[str], console: Console) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_USAGE, end="")
        return 0 if argv else UsageError.exit_code
    command, rest = argv[0], argv[1:]
    if command == "--version":
        print(PIPELINE_VERSION)
        return 0
    known = _COMMANDS.get(command)
    if known is None:
        nearest = difflib.get_close_matches(command, _COMMANDS, 1)
        hint = f"did you mean {nearest[0]}?" if nearest else "job-status --help lists the commands"
        raise UsageError(f"unknown command {command!r}", hint)
    known(rest, console)
    return 0


# Each imports what it needs when it is called, so that help and errors come at once. Those that
# stage files raise signals as errors, once everything is imported, and remove what they staged.


def _helped(command: str, arguments: list[str]) -> bool:
    """Prints help where that is asked for."""
    if not {"-h", "--help"} & set(arguments):
        return False
    from pipeline.options import run_parser

    run_parser(command).print_help()
    return True


def _run(arguments: list[str], console: Console) -> None:
    if _helped("run", arguments):
        return
    from pipeline.commands.run import run
    from pipeline.runners import make_template

    make_template()
    with raised_signals():
        run(arguments, console)


def _validate(arguments: list[str], console: Console) -> None:
    if _helped("validate", arguments):
        return
    from pipeline.setup import validate

    with raised_signals():
        validate(arguments, Console(highlight=False))


def _replay(arguments: list[str], console: Console) -> None:
    from pipeline.commands.replay import replay
    from pipeline.runners import make_template

    make_template()
    with raised_signals():
        replay(arguments, console)


def _dead_letters(arguments: list[str], console: Console) -> None:
    from pipeline.commands.dead_letters import dead_letters

    dead_letters(arguments, console)


def _sample(arguments: list[str], console: Console) -> None:
    from pipeline.sample import sample

    sample(arguments, console)


def _mapping(arguments: list[str], console: Console) -> None:
    from pipeline.mapping import mapping

    mapping(arguments, console)


def _inspect(arguments: list[str], console: Console) -> None:
    from pipeline.inspect import inspect

    inspect(arguments, console)


def _schema(arguments: list[str], console: Console) -> None:
    from pipeline.commands.schema import schema

    schema(arguments, console)


_COMMANDS: dict[str, Callable[[list[str], Console], None]] = {
    "run": _run,
    "validate": _validate,
    "replay": _replay,
    "dead-letters": _dead_letters,
    "inspect": _inspect,
    "mapping": _mapping,
    "sample": _sample,
    "schema": _schema,
}
