"""Defines and parses the options of `compact`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.options.command_parser import CommandParser
from pipeline.options.parser import beam_parser, check_beam_arguments
from pipeline.options.values import size
from schemas.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_EXAMPLES = (
    "compact out --dry_run",
    "compact out --older_than 1d --target_file_bytes 512MB",
)


@dataclass(frozen=True)
class CompactOptions:
    """The options of `compact`. `older_than` is in seconds, sizes are in bytes."""

    output: str
    dead_letter_output: str | None
    partition_by: Literal["day", "none"]
    target_file_bytes: int
    codec: Literal["deflate", "null"]
    older_than: int
    dry_run: bool
    debug: bool


def parse_compact(arguments: Sequence[str]) -> tuple[CompactOptions, list[str]]:
    """Parses the arguments of `compact`, and returns the options and the arguments for Beam.

    Raises:
        UsageError: An option is unknown, or its value is not allowed.
    """
    parser = compact_parser()
    if "--help_beam" in arguments:
        beam_parser().print_help()
        parser.exit()
    known, rest = parser.parse_known_args(arguments)
    beam_arguments = check_beam_arguments(rest, parser)
    del known.log_format  # read before the command starts
    options = CompactOptions(**vars(known))
    if options.target_file_bytes < 1:
        raise UsageError(
            f"--target_file_bytes is {options.target_file_bytes}, but must be at least 1"
        )
    return options, beam_arguments


def compact_parser() -> CommandParser:
    """Makes the parser of `compact`."""
    parser = CommandParser(
        prog="job-status compact",
        description="Rewrites the committed files of many runs as few large ones: one record for "
        "each event_id, the first that was committed, sorted by event time. Beam's options are "
        "accepted too; --help_beam lists them.",
        examples=_EXAMPLES,
    )
    add = parser.add_argument
    add("output", metavar="OUTPUT", help="the --output of the runs")
    add("--dead_letter_output", metavar="DIR", help="the --dead_letter_output of the runs")
    add(
        "--partition_by",
        choices=("day", "none"),
        default="day",
        help="a folder for the events of each day, such as event_day=2025-05-01, or none "
        "(default: day)",
    )
    add(
        "--target_file_bytes",
        type=size,
        default=256_000_000,
        metavar="BYTES",
        help="size at which another file is started (default: 256MB)",
    )
    add("--codec", choices=("deflate", "null"), default="deflate", help="(default: deflate)")
    add(
        "--older_than",
        type=_duration,
        default="1h",
        metavar="TIME",
        help="leave out what was committed later than this ago: 90s, 30m, 1h, 7d (default: 1h)",
    )
    add("--dry_run", action="store_true", help="only say what would be done")
    add("--log_format", choices=("text", "json"), default="text", help="format of messages")
    add("--debug", action="store_true", help="show tracebacks and the runner's log")
    return parser


def _duration(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 1h or 7d")
    return int(found[1]) * _SECONDS[found[2]]
