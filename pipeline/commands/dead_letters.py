"""`job-status dead-letters`: groups dead letters by error and reason, and counts them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from pipeline.options import CommandParser
from pipeline.report import (
    LetterGroup,
    Lines,
    counted,
    group_letters,
    letter_lines,
    letter_place,
    print_result,
    printable,
)
from schemas.errors import InputError
from transforms import read  # loads Beam when a name is used, so not for --help

_MAX_PAYLOADS = 10
"""Payloads shown of a group."""


def dead_letters(arguments: Sequence[str], _: Console) -> None:
    """Prints the groups to stdout. Raises InputError if there are no files, or one is damaged."""
    options = parser().parse_args(arguments)
    files = read.find_dead_letters(options.path)
    outputs = read.outputs_of(options.path, [file.path for file in files])
    replayed = set().union(*(read.replayed(files, output) for output in outputs))
    damaged: list[tuple[str, str]] = []
    letters = ((each, file in replayed) for file in files for each in _readable(file, damaged))
    groups = group_letters(letters, _MAX_PAYLOADS if options.show_payload else 1)
    lines = letter_lines(letter for group in groups for letter in group.letters)
    if options.json:
        values = [_as_json(group, lines, options.show_payload) for group in groups]
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
    else:
        for line in _lines(groups, lines, options.show_payload):
            print_result(line + "\n")
    if damaged:
        path, problem = damaged[0]
        raise InputError(
            f"{len(damaged)} file(s) of dead letters damaged, the first {path}: {problem}",
            "what could be read of them is counted above",
        )


def parser() -> CommandParser:
    """Makes the parser of `dead-letters`."""
    parser = CommandParser(
        prog="job-status dead-letters",
        description="Groups dead letters by error code and reason, and counts them.",
        examples=("dead-letters out", "dead-letters out --show_payload"),
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        help="the output of a run, a directory of dead letters, or a pattern of files",
    )
    parser.add_argument(
        "--show_payload",
        action="store_true",
        help=f"show the first {_MAX_PAYLOADS} payloads of each group; they may hold personal data",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def _readable(file: read.DeadLetterFile, damaged: list[tuple[str, str]]) -> Iterator[read.Letter]:
    """Yields the letters of a file; appends its path and its problem to `damaged` if it has one."""
    try:
        yield from read.letters_of(file)
    except read.DamagedInputError as error:
        damaged.append((file.path, str(error)))
    except OSError as error:
        damaged.append((file.path, error.strerror or type(error).__name__))


def _as_json(group: LetterGroup, lines: Lines, show_payload: bool) -> dict[str, Any]:
    """Returns a group as JSON values, with payloads only on request."""
    values = {name: value for name, value in vars(group).items() if name != "letters"}
    values |= {"paths": list(group.paths), "sources": list(group.sources)}
    names = ["source", "source_offset", "message_id", "error_path", "payload_size"]
    values["examples"] = [
        {name: letter[name] for name in names}
        | {"line": lines.get((letter["source"], letter["source_offset"]))}
        | ({"payload": _text(letter["payload"])} if show_payload else {})
        for letter in group.letters
    ]
    return values


def _lines(groups: Sequence[LetterGroup], lines: Lines, show_payload: bool) -> Iterator[str]:
    left = [group for group in groups if group.count]
    replayed = counted(sum(group.replayed for group in groups), "dead letter")
    if not left:
        yield "no dead letters" if not groups else f"no dead letters left: {replayed} replayed"
        return
    width = len(f"{left[0].count:,}")
    for group in left:
        yield f"{group.count:>{width},}  {group.error_code}: {printable(group.reason)}"
        for letter in group.letters:
            place = letter_place(letter, lines)
            if show_payload:
                yield f"{'':{width}}  {place}: {_shown_payload(letter)}"
                continue
            more = f", and {group.others}" if group.others else ""
            yield f"{'':{width}}  {'such as ' if group.count > 1 else ''}{place}{more}"
    if any(group.replayed for group in groups):
        yield f"{replayed} replayed before, not counted above"


def _shown_payload(letter: read.Letter) -> str:
    payload, size = letter["payload"], letter["payload_size"]
    if payload is None:
        return f"({size:,} bytes, not kept)"
    text = printable(_text(payload) or "")
    return text if len(payload) == size else f"{text} … ({size:,} bytes)"


def _text(payload: bytes | None) -> str | None:
    return None if payload is None else payload.decode("utf-8", "backslashreplace")
