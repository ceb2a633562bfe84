"""Parses command lines by the definitions of the options; refuses every unknown option."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import Field, fields, replace
from typing import Any

from pipeline.options.command_parser import CommandParser, add_help_option
from pipeline.options.run_options import GROUPS, RunOptions, Use, choices_of, default_of
from pipeline.options.values import given, number, share, short_size, size, utf8
from schemas.errors import UsageError
from schemas.version import PIPELINE_VERSION

_ABOUT = {
    "run": "Reads job events and writes their statuses as validated Avro.",
    "validate": "Checks what `run` with the same options needs, and changes nothing.",
    "replay": "Runs the payloads of dead letters again, each with its recorded context. Skips "
    "files that a replay into the same output has read already.",
}

_EXAMPLES = {
    "run": (
        "run --input 'events/*.jsonl.gz' --output out --report report.html",
        "run --input export.json --provider greenhouse --output out",
        "run --input_subscription projects/P/subscriptions/S --drain \\\n    --output out",
    ),
    "validate": (
        "validate --input 'events/*.jsonl.gz' --output out",
        "validate --input_subscription projects/P/subscriptions/S --drain \\\n    --output out",
    ),
    "replay": (
        "replay out --output out --max_event_bytes 50MB",
        "replay 'out/dead_letter/*.avro' --output again --report again.json",
    ),
}

_INPUTS = ("input", "input_subscription", "input_topic")

_STRAY_WORD = "put a pattern, or a value with a space, in quotation marks"

_NOT_FOR_REPLAY = (
    *(*_INPUTS, "input_format", "provider", "account_id"),
    *("allow_no_input", "skip_read"),
)
"""Options that `replay` does not have, beside those of the group Streaming."""


def parse_run(arguments: Sequence[str], command: str = "run") -> tuple[RunOptions, list[str]]:
    """Parses the arguments of `run`, `validate` or `replay`.

    Returns:
        The options, and the arguments for Beam. The only input of `replay` is its dead letters.

    Raises:
        UsageError: An option is missing, unknown or misspelt, or its value is not allowed.
    """
    parser = run_parser(command)
    if "--help_beam" in arguments:
        beam_parser().print_help()
        parser.exit()
    known, rest = parser.parse_known_args(_expand_flags(arguments, parser))
    _refuse_lone_file(rest, vars(known))
    beam_arguments = check_beam_arguments(rest, parser)
    given = {name: value for name, value in vars(known).items() if value is not None}
    if not any(given.get(name) for name in _INPUTS):
        raise UsageError("--input is missing", "or --input_subscription, to read Pub/Sub")
    for each in fields(RunOptions):
        if each.metadata["required"] and not given.get(each.name):
            raise UsageError(f"--{each.name} is missing", f"{parser.prog} --help shows all options")
        _check_value(each, given.get(each.name))
    defaults = {"write_mode": "append"} if command == "replay" else {}
    options = RunOptions(**{**defaults, **given})
    _check_together(options, given.keys())
    if options.reads_messages:
        options = replace(options, write_mode="append")
    return options, beam_arguments


def run_parser(command: str = "run") -> CommandParser:
    """Makes the parser of `run`, `validate` or `replay` from the fields of RunOptions."""
    is_replay = command == "replay"
    inputs = "DEAD_LETTERS" if is_replay else "--input PATTERN"
    parser = CommandParser(
        prog=f"job-status {command}",
        description=_ABOUT[command],
        examples=_EXAMPLES[command],
        usage=f"job-status {command} {inputs} --output DIR [options]",
        add_help=False,
    )
    if is_replay:
        text = "the output of a run, a directory of dead letters, or a pattern of files"
        parser.add_argument("input", metavar="DEAD_LETTERS", nargs=1, help=text)
    for name, about in GROUPS.items():
        options = [each for each in fields(RunOptions) if each.metadata["group"] == name]
        if is_replay and name == "Streaming":
            continue
        group = parser.add_argument_group(name, about)
        for each in options:
            if not (is_replay and each.name in _NOT_FOR_REPLAY):
                _add_option(group, each)
        if name == "Messages":
            text = "show the version and exit"
            group.add_argument("--version", action="version", version=PIPELINE_VERSION, help=text)
            add_help_option(group)
        if not options:
            text = "list them all and exit"
            group.add_argument("--help_beam", action="store_true", default=None, help=text)
    if is_replay:
        modes = next(action for action in parser._actions if action.dest == "write_mode")
        modes.choices, modes.metavar = ("error", "append"), "error|append"
        modes.help = "if the output already holds a run (default: append)"
    return parser


def _add_option(group: argparse._ActionsContainer, option: Field[Any]) -> None:
    about = option.metadata
    text = about["help"]
    default = default_of(option)
    if default not in (None, [], False):
        shown = " ".join(default) if isinstance(default, list) else default
        if about["metavar"] == "BYTES":
            shown = short_size(default)
        elif isinstance(default, float):
            shown = f"{default:g}"
        text += f" (default: {shown})"
    text = text.replace("%", "%%")
    kind = str(option.type).removesuffix(" | None")
    if kind == "bool":
        group.add_argument(f"--{option.name}", action="store_true", default=None, help=text)
        return
    choices = choices_of(option)
    settings: dict[str, Any] = {
        "help": text,
        "metavar": "|".join(choices) or about["metavar"],
        "choices": choices or None,
        "type": _type_of(kind, about["metavar"]),
        "action": _Once,
    }
    if kind.startswith("list"):
        takes_words = about["takes_words"]
        settings |= {"nargs": "+", "action": "extend"} if takes_words else {"action": "append"}
    group.add_argument(f"--{option.name}", **settings)


def _type_of(kind: str, metavar: str) -> Callable[[str], Any]:
    if metavar == "BYTES":
        return size
    if metavar == "SHARE":
        return share
    # Paths may have any bytes; what opens them knows which of them it accepts.
    text = given if metavar.startswith(("DIR", "FILE", "PATTERN")) else utf8
    return {"int": number(int), "float": number(float)}.get(kind, text)


class _Once(argparse.Action):
    """Stores a value. Refuses a second one, which would replace the first without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, *_: Any
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            raise UsageError(f"--{self.dest} is given twice", "give it once")
        setattr(namespace, self.dest, value)


def _check_value(option: Field[Any], value: Any) -> None:
    at_least, at_most = option.metadata["at_least"], option.metadata["at_most"]
    if value is None:
        return
    # Every comparison with NaN is false, so test for what must be true.
    if at_least is not None and not value >= at_least:
        raise UsageError(f"--{option.name} is {value}, but must be at least {at_least}")
    if at_most is not None and not value <= at_most:
        raise UsageError(f"--{option.name} is {value}, but must be at most {at_most}")


def _check_together(options: RunOptions, given: Collection[str]) -> None:
    """Raises UsageError if options contradict each other or would have no effect."""
    inputs = [f"--{name}" for name in _INPUTS if getattr(options, name)]
    if len(inputs) > 1:
        raise UsageError(f"{inputs[0]} and {inputs[1]} cannot go together", "run once for each")
    if options.reads_messages and options.drain == options.streaming:
        raise UsageError(
            f"{inputs[0]} needs either --drain or --streaming",
            "--drain reads the waiting messages and ends; --streaming runs until it is stopped",
        )
    for each in fields(RunOptions):
        use: Use | None = each.metadata["only_for"]
        if each.name in given and use is not None and use not in options.uses:
            others, hint = _MISUSES[use]
            raise UsageError(f"--{each.name} is not for {others}", hint)
    if options.skip_read and options.write_mode != "append":
        raise UsageError(
            "--skip_read needs --write_mode append",
            "it adds the events of new files to those of earlier runs",
        )
    if not options.reads_messages:
        return
    if "write_mode" in given and options.write_mode != "append":
        raise UsageError(
            f"--write_mode {options.write_mode} is not for Pub/Sub",
            "records from Pub/Sub are always added to the output",
        )
    if options.streaming and options.window_seconds > options.lease_seconds / 2:
        raise UsageError(
            f"--window_seconds is {options.window_seconds}, but must be at most half of "
            f"--lease_seconds ({options.lease_seconds})",
            "or Pub/Sub would deliver messages again before they are committed",
        )


_MISUSES: dict[Use, tuple[str, str]] = {
    "files": ("Pub/Sub", "it goes with --input"),
    "messages": ("files", "it goes with --input_subscription"),
    "drain": ("files, nor for --streaming", "it goes with --input_subscription and --drain"),
    "streaming": ("files, nor for --drain", "it goes with --input_subscription and --streaming"),
}
"""For each use: the inputs that its options are not for, and a hint."""


def _expand_flags(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Replaces `--flag=true` by `--flag` and drops `--flag=false`: templates pass flags so."""
    flags = {name for each in parser._actions if each.nargs == 0 for name in each.option_strings}
    kept = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        value = value.lower()
        if name not in flags or value not in ("true", "false"):
            kept.append(argument)
        elif value == "true":
            kept.append(name)
    return kept


def _refuse_lone_file(rest: list[str], given: dict[str, Any]) -> None:
    """Raises UsageError for a word that belongs to no option, before Beam is loaded."""
    if not rest or rest[0].startswith("-"):
        return
    word = rest[0]
    hint = _STRAY_WORD
    if not any(given.get(name) for name in _INPUTS):
        hint = f"did you mean --input {shlex.quote(word)}?"
    raise UsageError(f"unexpected argument {word!r}", hint)


def check_beam_arguments(arguments: list[str], parser: CommandParser) -> list[str]:
    """Returns the arguments for Beam. Raises UsageError if Beam does not know one of them."""
    if not arguments:
        return []
    beam = beam_parser()
    arguments = _expand_flags(arguments, beam)
    _, unknown = beam.parse_known_args(arguments)
    if not unknown:
        return arguments
    first = unknown[0]
    if not first.startswith("-"):
        raise UsageError(f"unexpected argument {first!r}", _STRAY_WORD)
    flag = first.split("=")[0]
    actions = parser._actions + beam._actions
    names = [name for action in actions for name in action.option_strings]
    nearest = difflib.get_close_matches(flag, names, 1, 0.6)
    hint = f"did you mean {nearest[0]}?" if nearest else f"{parser.prog} --help shows all options"
    raise UsageError(f"unknown option {flag}", hint)


def beam_parser() -> argparse.ArgumentParser:
    """Makes a parser of the options of Beam's installed parts and of its Flink runner."""
    from apache_beam.options import pipeline_options

    from pipeline.options import flink as flink_options  # noqa: F401  defines a class of options

    parser = CommandParser(prog="job-status run", add_help=False)
    parser.register("type", None, str)  # Beam decides if it accepts an empty value
    classes: list[Any] = [pipeline_options.PipelineOptions]
    while classes:
        options = classes.pop()
        if "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)
        classes.extend(options.__subclasses__())
    return parser
