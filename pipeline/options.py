"""The options of `run`, each defined once: the parser and the help are made from this."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Literal, cast

from schemas.errors import UsageError

GROUPS = ("Input", "Output", "Mapping", "Bad records", "Messages")

_EXAMPLES = """\
examples:
  job-status run --input 'events/*.jsonl.gz' --output out
  job-status run --input export.json --provider greenhouse --output out --report report.json

Every option of Apache Beam is accepted too, such as --runner, --direct_num_workers, --project.
"""


def _option(
    group: str,
    text: str,
    *,
    default: Any = None,
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    repeatable: bool = False,
    required: bool = False,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Any:
    metadata = {
        "group": group,
        "help": text,
        "metavar": metavar,
        "choices": choices,
        "repeatable": repeatable,
        "required": required,
        "at_least": at_least,
        "at_most": at_most,
    }
    if repeatable:
        return field(default_factory=lambda: list(default or []), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunOptions:
    """The options of `run`; sizes are in bytes."""

    input: list[str] = _option(
        "Input",
        "files to read: a path or a glob on any filesystem Beam knows; may be given several times",
        metavar="PATTERN",
        repeatable=True,
        required=True,
    )
    input_format: Literal["auto", "lines", "document"] = _option(
        "Input",
        "how to read them: one payload a line, or one document a file; auto looks at the content",
        default="auto",
        choices=("auto", "lines", "document"),
    )
    event_types: list[str] = _option(
        "Input",
        "events that are wanted, others are counted and ignored; may be given several times",
        default=["ats_jobs.*"],
        metavar="GLOB",
        repeatable=True,
    )
    provider: str | None = _option(
        "Input", "provider of the events that do not name theirs", metavar="NAME"
    )
    account_id: str | None = _option(
        "Input", "account of the events that do not name theirs", metavar="ID"
    )
    allow_no_input: bool = _option(
        "Input", "a pattern that matches nothing is no error", default=False
    )
    max_event_bytes: int = _option(
        "Input",
        "longest line, or job of a page",
        default=10_000_000,
        metavar="BYTES",
        at_least=1,
    )
    max_document_bytes: int = _option(
        "Input", "longest document", default=256_000_000, metavar="BYTES", at_least=1
    )
    output: str = _option("Output", "directory to write to", metavar="DIR", required=True)
    dead_letter_output: str | None = _option(
        "Output", "directory for the dead letters, if not OUTPUT/dead_letter", metavar="DIR"
    )
    write_mode: Literal["error", "append", "overwrite"] = _option(
        "Output",
        "where the output holds a run already: refuse, add to it, or take its place",
        default="error",
        choices=("error", "append", "overwrite"),
    )
    run_id: str | None = _option(
        "Output",
        "name of this run; one that was committed already is not done again",
        metavar="ID",
    )
    codec: Literal["deflate", "null"] = _option(
        "Output", "codec of the Avro files", default="deflate", choices=("deflate", "null")
    )
    target_file_bytes: int = _option(
        "Output",
        "size from which on another file is started",
        default=256_000_000,
        metavar="BYTES",
        at_least=1,
    )
    mapping: str | None = _option(
        "Mapping", "file of rules that add to the built-in ones or override them", metavar="FILE"
    )
    max_dead_letter_fraction: float = _option(
        "Bad records",
        "share of dead letters above which the run ends with exit code 4",
        default=1.0,
        metavar="SHARE",
        at_least=0,
        at_most=1,
    )
    dead_letter_payload: Literal["full", "hash", "none"] = _option(
        "Bad records",
        "what dead letters keep of their payload",
        default="full",
        choices=("full", "hash", "none"),
    )
    on_damaged_input: Literal["fail", "keep"] = _option(
        "Bad records",
        "a file that is cut off or corrupt: commit nothing, or keep what can be read",
        default="fail",
        choices=("fail", "keep"),
    )
    report: str | None = _option("Messages", "write the report to this file", metavar="FILE.json")
    debug: bool = _option("Messages", "show tracebacks and the engine's log", default=False)


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
    known, rest = parser.parse_known_args(list(arguments))
    _check_beam_options(rest, parser)
    given = {name: value for name, value in vars(known).items() if value is not None}
    for each in fields(RunOptions):
        if each.metadata["required"] and not given.get(each.name):
            raise UsageError(f"--{each.name} is missing", f"{parser.prog} --help shows all options")
        _check_bounds(each, given.get(each.name))
    return RunOptions(**{**defaults, **given}), rest


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


def run_parser() -> CommandParser:
    """Makes the parser of `run` out of the fields of RunOptions."""
    parser = CommandParser(
        prog="job-status run",
        description="Reads job events and writes their statuses as validated Avro.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="job-status run --input PATTERN --output DIR [options]",
        allow_abbrev=False,
    )
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    for each in fields(RunOptions):
        add_option(groups[each.metadata["group"]], each)
    return parser


def add_option(group: argparse._ActionsContainer, option: Field[Any]) -> None:
    """Adds an option to a parser."""
    about = option.metadata
    text = about["help"]
    if about["repeatable"]:
        default = option.default_factory() if option.default_factory is not MISSING else []
    else:
        default = option.default
    if default not in (None, [], False):
        shown = " ".join(default) if isinstance(default, list) else default
        text += f" (default: {shown})"
    text = text.replace("%", "%%")
    kind = str(option.type)
    if kind == "bool":
        group.add_argument(f"--{option.name}", action="store_true", default=None, help=text)
        return
    settings: dict[str, Any] = {"help": text, "metavar": about["metavar"], "default": None}
    if kind in ("int", "float"):
        settings["type"] = {"int": int, "float": float}[kind]
    if about["choices"]:
        settings["choices"] = about["choices"]
    if about["repeatable"]:
        settings |= {"nargs": "+", "action": "extend"}
    group.add_argument(f"--{option.name}", **settings)


def _check_bounds(option: Field[Any], value: Any) -> None:
    at_least, at_most = option.metadata["at_least"], option.metadata["at_most"]
    if value is None:
        return
    # A comparison with "not a number" is false, so both are asked for what must be true.
    if at_least is not None and not value >= at_least:
        raise UsageError(f"--{option.name} is {value}, but must be at least {at_least}")
    if at_most is not None and not value <= at_most:
        raise UsageError(f"--{option.name} is {value}, but must be at most {at_most}")


def _check_beam_options(arguments: list[str], parser: CommandParser) -> None:
    """Refuses what is neither an option of ours nor of Beam's: a flag is never passed over."""
    if not arguments:
        return
    beams = beam_parser()
    _, unknown = beams.parse_known_args(arguments)
    if not unknown:
        return
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
    """A parser of every option of Beam's that is installed."""
    from apache_beam.options import pipeline_options

    parser = CommandParser(prog="job-status run", allow_abbrev=False, add_help=False)
    todo = [pipeline_options.PipelineOptions]
    while todo:
        kind = todo.pop()
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(cast(Any, parser))
        todo.extend(kind.__subclasses__())
    return parser


def argv_or(arguments: Sequence[str] | None) -> list[str]:
    """The arguments given, or those of the process."""
    return list(sys.argv[1:] if arguments is None else arguments)
