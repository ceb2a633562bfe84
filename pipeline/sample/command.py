"""`job-status sample`: writes realistic job events for trials."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from pipeline.options import CommandParser, number, share
from pipeline.report import print_result
from pipeline.sample.write import write_samples


def sample(arguments: Sequence[str], console: Console) -> None:
    """Writes samples, and prints their files and the result that a run over them must have."""
    options = parser().parse_args(arguments)
    counts = write_samples(**vars(options))
    for file in counts.files:
        print_result(f"{options.directory}/{file.name}\n")
    console.print(
        f"a run over them reads {counts.read:,}: {counts.events:,} written, "
        f"{counts.bad:,} dead-lettered, {counts.ignored:,} ignored"
    )


def parser() -> CommandParser:
    """Makes the parser of `sample`."""
    parser = CommandParser(
        prog="job-status sample",
        description="Writes realistic events of every provider, the same ones for the same seed.",
        examples=(
            "sample events --events 10000 --bad_fraction 0.01",
            "sample many --events 1000000 --shapes lines",
        ),
    )
    parser.add_argument("directory", metavar="DIR", help="directory of the files")
    parser.add_argument(
        "--events",
        metavar="N",
        type=number(int),
        default=1000,
        help="number of events (default: 1000)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=number(int), default=1, help="random seed (default: 1)"
    )
    parser.add_argument(
        "--bad_fraction",
        metavar="SHARE",
        type=share,
        default=0.0,
        help="share of bad payloads (default: 0)",
    )
    parser.add_argument(
        "--shapes",
        choices=("all", "lines"),
        metavar="all|lines",
        default="all",
        help="files of every shape, or one events.jsonl of envelopes (default: all)",
    )
    return parser
