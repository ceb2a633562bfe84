"""`job-status inspect`: shows the content of an output or a file, and checks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from pipeline.inspect.inspection import inspection_of
from pipeline.inspect.show import print_json, print_tables
from pipeline.options import CommandParser, beam_parser, number
from pipeline.report import counted
from schemas.errors import JobStatusError, UsageError
from transforms.storage import file_paths, set_filesystem_options


def inspect(arguments: Sequence[str], console: Console) -> None:
    """Runs `inspect`; results go to stdout.

    Raises:
        JobStatusError: The content differs from what was committed.
    """
    options, beam_arguments = _parse(arguments)
    path = file_paths.normal(options.path)
    if beam_arguments or not file_paths.is_local(path):
        set_filesystem_options(beam_arguments)
    found = inspection_of(path, options.rows)
    if options.json:
        print_json(found)
    else:
        print_tables(found)
    for note in found.notes:
        console.print(note, soft_wrap=True, markup=False)
    if found.output is None and not found.findings:
        console.print(
            "no manifest belongs to this: a file that is truncated between two blocks, or missing, "
            "would not be noticed",
            soft_wrap=True,
        )
    if found.findings:
        missing = sum(finding.missing or 0 for finding in found.findings)
        problems = counted(len(found.findings), "problem")
        raise JobStatusError(
            f"{problems} found, {counted(missing, 'record')} missing",
            "a damaged file cannot be repaired: run the job again into another output",
        )


def parser() -> CommandParser:
    """Makes the parser of `inspect`."""
    parser = CommandParser(
        prog="job-status inspect",
        description="Shows the content of an output, a manifest or an Avro file, and checks it "
        "against what was committed. Exit code 1 where they differ. The output includes values "
        "of the data. Options of Beam's filesystems are accepted too.",
        examples=(
            "inspect out",
            "inspect out/job_status/job_status-daily-00000-of-00001.avro --json",
        ),
    )
    parser.add_argument("path", metavar="PATH", help="output directory, manifest or Avro file")
    parser.add_argument("--json", action="store_true", help="everything as JSON, rows in full")
    parser.add_argument(
        "--rows", metavar="N", type=number(int), default=5, help="first rows to show (default: 5)"
    )
    return parser


def _parse(arguments: Sequence[str]) -> tuple[Any, list[str]]:
    options, rest = parser().parse_known_args(list(arguments))
    unknown = beam_parser().parse_known_args(rest)[1] if rest else []
    if unknown:
        raise UsageError(f"unknown argument {unknown[0]}", "job-status inspect --help shows all")
    if options.rows < 0:
        raise UsageError(f"--rows is {options.rows}, but must be at least 0")
    return options, rest
