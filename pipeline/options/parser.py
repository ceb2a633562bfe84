"""Parses command lines by the definitions of the options; a flag is never passed over."""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import Field, fields, replace
from typing import Any, cast

from pipeline.options.run_options import GROUPS, RunOptions, Use, default_of
from schemas.errors import UsageError

_EXAMPLES = """\
examples:
  job-status run --input 'events/*.jsonl.gz' --output out
  job-status run --input export.json --provider greenhouse --output out --report report.html
  job-status run --input_subscription projects/P/subscriptions/S --drain --output out
"""


def parse_run(arguments: Sequence[str]) -> tuple[RunOptions, list[str]]:
    """Parses the arguments of `run`.

    Returns:
        The options, and the arguments that are Beam's.

    Raises:
        UsageError: An option is missing, unknown or misspelt, or has a value that it cannot have.
    """
    return parse_with(run_parser(), arguments)


def parse_with(
    parser: CommandParser, arguments: Sequence[str], **defaults: Any
) -> tuple[RunOptions, list[str]]:
    """Parses arguments with a parser that knows some of the options, or all; as `parse_run`.

    Args:
        parser: Made with `add_option`.
        arguments: To be parsed.
        defaults: Of this command, where they are others than those of `run`.
    """
    known, rest = parser.parse_known_args(_without_truth(arguments, parser))
    rest = _beam_options(rest, parser)
    given = {name: value for name, value in vars(known).items() if value is not None}
    if not any(given.get(name) for name in _INPUTS):
        raise UsageError("--input is missing", "or --input_subscription, to read Pub/Sub")
    for each in fields(RunOptions):
        if each.metadata["required"] and not given.get(each.name):
            raise UsageError(f"--{each.name} is missing", f"{parser.prog} --help shows all options")
        _check_value(each, given.get(each.name))
    options = RunOptions(**{**defaults, **given})
    _check_together(options, given.keys())
    if options.reads_messages:
        options = replace(options, write_mode="append")
    return options, rest


class CommandParser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of ending the process."""

    def error(self, message: str) -> Any:
        raise UsageError(message, f"{self.prog} --help shows all options")


def add_command(
    commands: argparse._SubParsersAction[CommandParser],
    name: str,
    text: str,
    work: Callable[[Any], Any],
) -> CommandParser:
    """Adds a subcommand to a command; parsing it leaves `work` in the attribute `command`."""
    added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    added.set_defaults(command=work)
    return added


_DESCRIPTIONS = {
    "run": "Reads job events and writes their statuses as validated Avro.",
    "validate": "Looks at all that `run` with the same options needs, and changes nothing.",
}


def run_parser(command: str = "run") -> CommandParser:
    """Makes the parser of `run`, or of `validate`, out of the fields of RunOptions."""
    parser = CommandParser(
        prog=f"job-status {command}",
        description=_DESCRIPTIONS[command],
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        usage=f"job-status {command} (--input PATTERN | --input_subscription NAME) --output DIR "
        "[options]",
        allow_abbrev=False,
        add_help=False,
    )
    add_options(parser, [each.name for each in fields(RunOptions)])
    return parser


def add_options(parser: CommandParser, names: Collection[str]) -> None:
    """Adds options to a parser, each to its group; of the groups, those that are not empty."""
    for name, text in GROUPS.items():
        options = [each for each in fields(RunOptions) if each.metadata["group"] == name]
        wanted = [each for each in options if each.name in names]
        if wanted or not options:
            group = parser.add_argument_group(name, text)
            for each in wanted:
                _add_option(group, each)
        if name == "Messages":
            group.add_argument("-h", "--help", action="help", help="show this and exit")
        if not options:
            group.add_argument("--help_beam", action=_HelpBeam, help="list them all and exit")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """A line for each option, as far as that goes."""

    def __init__(self, prog: str) -> None:
        columns = min(shutil.get_terminal_size().columns, _HELP_COLUMNS)
        super().__init__(prog, max_help_position=_HELP_POSITION, width=columns)


_HELP_COLUMNS = 100
_HELP_POSITION = 30


def _add_option(group: argparse._ActionsContainer, option: Field[Any]) -> None:
    """Adds an option to a parser."""
    about = option.metadata
    text = about["help"]
    default = default_of(option)
    if default not in (None, [], False):
        shown = " ".join(default) if isinstance(default, list) else default
        text += f" (default: {shown})"
    text = text.replace("%", "%%")
    kind = str(option.type).removesuffix(" | None")
    if kind == "bool":
        group.add_argument(f"--{option.name}", action="store_true", default=None, help=text)
        return
    metavar = "|".join(about["choices"]) if about["choices"] else about["metavar"]
    settings: dict[str, Any] = {"help": text, "metavar": metavar, "default": None}
    if kind in ("int", "float"):
        settings["type"] = {"int": int, "float": float}[kind]
    if about["choices"]:
        settings["choices"] = about["choices"]
    if about["repeatable"]:
        settings |= {"nargs": "+", "action": "extend"}
    group.add_argument(f"--{option.name}", **settings)


def _check_value(option: Field[Any], value: Any) -> None:
    at_least, at_most = option.metadata["at_least"], option.metadata["at_most"]
    if value is None:
        return
    # A comparison with "not a number" is false, so both are asked for what must be true.
    if at_least is not None and not value >= at_least:
        raise UsageError(f"--{option.name} is {value}, but must be at least {at_least}")
    if at_most is not None and not value <= at_most:
        raise UsageError(f"--{option.name} is {value}, but must be at most {at_most}")


def _check_together(options: RunOptions, given: Collection[str]) -> None:
    """Refuses options that contradict each other, or that would do nothing."""
    inputs = [f"--{name}" for name in _INPUTS if getattr(options, name)]
    if len(inputs) > 1:
        raise UsageError(f"{inputs[0]} and {inputs[1]} cannot go together", "run once for each")
    if options.reads_messages and options.drain == options.streaming:
        raise UsageError(
            f"{inputs[0]} needs either --drain or --streaming",
            "--drain reads what is there and ends; --streaming goes on until it is stopped",
        )
    for each in fields(RunOptions):
        use: Use | None = each.metadata["only_for"]
        if each.name in given and use is not None and use not in options.uses:
            raise UsageError(f"--{each.name} is not for {_OTHER_THAN[use]}", _NEEDS[use])
    if not options.reads_messages:
        return
    if "write_mode" in given and options.write_mode != "append":
        raise UsageError(
            f"--write_mode {options.write_mode} is not for Pub/Sub",
            "what is read from there is always added to what the output holds",
        )
    if options.streaming and options.window_seconds > options.lease_seconds / 2:
        raise UsageError(
            f"--window_seconds is {options.window_seconds}, but must be at most half of "
            f"--lease_seconds ({options.lease_seconds})",
            "or messages would come again before they are committed",
        )


_INPUTS = ("input", "input_subscription", "input_topic")

_OTHER_THAN: dict[Use, str] = {
    "files": "Pub/Sub",
    "messages": "files",
    "drain": "files, nor for --streaming",
    "streaming": "files, nor for --drain",
}

_NEEDS: dict[Use, str] = {
    "files": "it goes with --input",
    "messages": "it goes with --input_subscription",
    "drain": "it goes with --input_subscription and --drain",
    "streaming": "it goes with --input_subscription and --streaming",
}


_TRUTH = {"true": True, "false": False}


def _without_truth(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Takes `--flag=true` for `--flag`, `--flag=false` for nothing: templates give flags so."""
    flags = {name for each in parser._actions if each.nargs == 0 for name in each.option_strings}
    kept = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in flags or value.lower() not in _TRUTH:
            kept.append(argument)
        elif _TRUTH[value.lower()]:
            kept.append(name)
    return kept


def _beam_options(arguments: list[str], parser: CommandParser) -> list[str]:
    """Refuses what is neither an option of ours nor of Beam's: a flag is never passed over."""
    if not arguments:
        return []
    beams = beam_parser()
    arguments = _without_truth(arguments, beams)
    _, unknown = beams.parse_known_args(arguments)
    if not unknown:
        return arguments
    first = unknown[0]
    if not first.startswith("-"):
        raise UsageError(f"unexpected argument {first!r}", "put a pattern in quotation marks")
    flag = first.split("=")[0]
    actions = parser._actions + beams._actions
    names = [name for action in actions for name in action.option_strings]
    nearest = difflib.get_close_matches(flag, names, 1, 0.6)
    hint = f"did you mean {nearest[0]}?" if nearest else f"{parser.prog} --help shows all options"
    raise UsageError(f"unknown option {flag}", hint)


def beam_parser() -> argparse.ArgumentParser:
    """A parser of every option of Beam's that is installed, and of its Flink engine's."""
    from apache_beam.options import pipeline_options

    from pipeline.options import flink as flink_options  # noqa: F401  a class of options is known once it is made

    parser = CommandParser(prog="job-status run", allow_abbrev=False, add_help=False)
    todo = [pipeline_options.PipelineOptions]
    while todo:
        kind = todo.pop()
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(cast(Any, parser))
        todo.extend(kind.__subclasses__())
    return parser


class _HelpBeam(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        beam_parser().print_help()
        parser.exit()


def argv_or(arguments: Sequence[str] | None) -> list[str]:
    """The arguments given, or those of the process."""
    return list(sys.argv[1:] if arguments is None else arguments)
