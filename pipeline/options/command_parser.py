"""The parser that all commands use: one style of help, and errors in place of exits."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from pipeline.options.values import given
from schemas.errors import UsageError

_WIDTH: Final = 80
_OPTION_COLUMNS: Final = 30


class CommandParser(argparse.ArgumentParser):
    """Raises UsageError where argparse would end the process. Accepts no abbreviated options, and
    no empty values but of arguments with the type `str`.

    `examples` are command lines without `job-status`, shown at the end of the help.
    """

    def __init__(self, *, examples: Sequence[str] = (), **settings: Any) -> None:
        if examples:
            lines = "".join(f"\n  job-status {example}" for example in examples)
            settings["epilog"] = f"examples:{lines}"
        has_help = settings.pop("add_help", True)
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_Help, **settings)
        self.register("type", None, given)
        if has_help:
            add_help_option(self)

    def error(self, message: str) -> NoReturn:
        """Raises a UsageError with a message of argparse."""
        hint = f"{self.prog} --help shows all options"
        name, colon, reason = message.removeprefix("argument ").partition(": ")
        if colon and reason == "expected one argument":
            # argparse takes a value that begins with a hyphen, such as -05:00, for an option.
            hint = f"give one; after an equals sign, it may begin with a hyphen: {name}=VALUE"
        raise UsageError(message, hint)


def add_help_option(group: argparse._ActionsContainer) -> None:
    """Adds the option that prints the help."""
    group.add_argument("-h", "--help", action="help", help="show this and exit")


class _Help(argparse.HelpFormatter):
    """Formats the help in at most 80 columns; keeps the lines of examples."""

    def __init__(self, prog: str, **settings: Any) -> None:
        columns = min(shutil.get_terminal_size().columns, _WIDTH)
        super().__init__(prog, max_help_position=_OPTION_COLUMNS, width=columns)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.ONE_OR_MORE:
            return f"{action.metavar or default_metavar} ..."
        return super()._format_args(action, default_metavar)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


def add_command(
    commands: argparse._SubParsersAction[CommandParser],
    name: str,
    text: str,
    run: Callable[..., Any],
    examples: Sequence[str] = (),
) -> CommandParser:
    """Adds a subcommand to a command; the parsed options hold `run` as `command`."""
    description = f"{text[0].upper()}{text[1:]}."
    added = commands.add_parser(name, help=text, description=description, examples=examples)
    added.set_defaults(command=run)
    commands.type = str  # the subcommand parses its own arguments, which may be empty
    return added
