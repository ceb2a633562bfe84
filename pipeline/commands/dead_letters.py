"""`job-status dead-letters`: groups dead letters by their error and counts them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from pipeline.options import CommandParser
from pipeline.report import printable
from schemas.errors import InputError
from transforms import read  # loads Beam when a name is used, so not for --help

_MAX_PAYLOADS = 10
"""Payloads shown of a group."""

_MAX_PAYLOAD_BYTES = 2000


@dataclass
class _Group:
    """Dead letters with the same error code, path and source, the first few to be shown.

    `replayed` counts those in files that were replayed. The error message is that of the first.
    """

    error_code: str
    error_path: str | None
    source: str | None
    count: int = 0
    replayed: int = 0
    error_message: str = ""
    letters: list[read.Letter] = field(default_factory=list)

    def as_json(self, show_payload: bool) -> dict[str, Any]:
        """Returns the group as JSON values, with payloads only on request."""
        values = {name: value for name, value in vars(self).items() if name != "letters"}
        if show_payload:
            names = ("source_offset", "message_id", "payload_size")
            values["payloads"] = [
                {**{name: letter[name] for name in names}, "payload": _text(letter["payload"])}
                for letter in self.letters
            ]
        return values


def dead_letters(arguments: Sequence[str], _: Console) -> None:
    """Prints the groups to stdout. Raises InputError if there are no files, or one is damaged."""
    options = _parser().parse_args(arguments)
    files = read.find_dead_letters(options.path)
    outputs = read.outputs_of(options.path, [file.path for file in files])
    replayed = set().union(*(read.replayed(files, output) for output in outputs))
    damaged: list[tuple[str, str]] = []
    groups = _grouped(files, replayed, damaged, options.show_payload)
    if options.json:
        values = [group.as_json(options.show_payload) for group in groups]
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
    else:
        sys.stdout.writelines(line + "\n" for line in _lines(groups))
    if damaged:
        path, problem = damaged[0]
        raise InputError(
            f"{len(damaged)} file(s) of dead letters damaged, the first {path}: {problem}",
            "what could be read of them is counted above",
        )


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="job-status dead-letters",
        description="Groups dead letters by error code, path and source, and counts them.",
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


def _grouped(
    files: Iterable[read.DeadLetterFile],
    replayed: set[read.DeadLetterFile],
    damaged: list[tuple[str, str]],
    keep_letters: bool,
) -> list[_Group]:
    """Returns the groups, the largest first.

    Appends the path and the problem of each damaged file to `damaged`.
    """
    groups: dict[tuple[str, str | None, str | None], _Group] = {}
    for file in files:
        for letter in _readable_letters(file, damaged):
            key = letter["error_code"], letter["error_path"], letter["source"]
            group = groups.get(key)
            if group is None:
                group = groups[key] = _Group(*key, error_message=letter["error_message"])
            group.count += 1
            group.replayed += file in replayed
            if keep_letters and len(group.letters) < _MAX_PAYLOADS:
                payload = letter["payload"]
                start = None if payload is None else payload[:_MAX_PAYLOAD_BYTES]
                group.letters.append({**letter, "payload": start})
    return sorted(
        groups.values(),
        key=lambda each: (-each.count, each.error_code, each.error_path or "", each.source or ""),
    )


def _readable_letters(
    file: read.DeadLetterFile, damaged: list[tuple[str, str]]
) -> Iterator[read.Letter]:
    try:
        yield from read.letters_of(file)
    except read.DamagedInputError as error:
        damaged.append((file.path, str(error)))
    except OSError as error:
        damaged.append((file.path, error.strerror or type(error).__name__))


def _lines(groups: Sequence[_Group]) -> Iterator[str]:
    if not groups:
        yield "no dead letters"
        return
    width = len(f"{groups[0].count:,}")
    for group in groups:
        path = f" at {group.error_path}" if group.error_path else ""
        source = printable(group.source or "-")
        replayed = f" ({group.replayed:,} replayed)" if group.replayed else ""
        yield f"{group.count:>{width},}  {group.error_code}{path}  {source}{replayed}"
        yield f"{'':{width}}  {group.error_message}"
        for letter in group.letters:
            origin = f"offset {letter['source_offset']}"
            if letter["message_id"] is not None:
                origin = f"message {printable(letter['message_id'])}"
            yield f"{'':{width}}  {origin}: {_shown_payload(letter)}"


def _shown_payload(letter: read.Letter) -> str:
    payload, size = letter["payload"], letter["payload_size"]
    if payload is None:
        return f"({size:,} bytes, not kept)"
    text = printable(_text(payload) or "")
    return text if len(payload) == size else f"{text} … ({size:,} bytes)"


def _text(payload: bytes | None) -> str | None:
    return None if payload is None else payload.decode("utf-8", "backslashreplace")
