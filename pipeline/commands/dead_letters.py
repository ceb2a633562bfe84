"""`job-status dead-letters`: groups dead letters by error and reason, and counts them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from pipeline.options import CommandParser
from pipeline.report import counted, print_result, printable
from schemas.errors import InputError
from transforms import read  # loads Beam when a name is used, so not for --help

_MAX_PAYLOADS = 10
"""Payloads shown of a group."""

_MAX_PAYLOAD_BYTES = 2000


_NUMBER = re.compile(r"\d+")


@dataclass
class _Group:
    """Dead letters with the same error code and reason, apart from numbers in it.

    Attributes:
        reason: The error message, with `N` in place of a number that is not the same in all.
        count: Letters that were not replayed. All below are about these.
        replayed: Letters that were replayed. If they failed again, there are newer letters.
        paths: The distinct JSON paths, in the order in which they were found.
        sources: The distinct sources.
        letters: The first letters, to be shown.
    """

    error_code: str
    reason: str
    count: int = 0
    replayed: int = 0
    paths: dict[str, None] = field(default_factory=dict)
    sources: dict[str | None, None] = field(default_factory=dict)
    letters: list[read.Letter] = field(default_factory=list)

    def add(self, letter: read.Letter, kept_letters: int) -> None:
        """Adds a letter that was not replayed, and keeps the first ones."""
        self.count += 1
        if letter["error_message"] != self.reason:
            self.reason = _NUMBER.sub("N", self.reason)
        if letter["error_path"] is not None:
            self.paths.setdefault(letter["error_path"])
        self.sources.setdefault(letter["source"])
        if len(self.letters) < kept_letters:
            payload = letter["payload"]
            start = None if payload is None else payload[:_MAX_PAYLOAD_BYTES]
            self.letters.append({**letter, "payload": start})

    def as_json(self, lines: _Lines, show_payload: bool) -> dict[str, Any]:
        """Returns the group as JSON values, with payloads only on request."""
        values = {name: value for name, value in vars(self).items() if name != "letters"}
        values |= {"paths": list(self.paths), "sources": list(self.sources)}
        names = ["source", "source_offset", "message_id", "error_path", "payload_size"]
        values["examples"] = [
            {name: letter[name] for name in names}
            | {"line": lines.get(_place(letter))}
            | ({"payload": _text(letter["payload"])} if show_payload else {})
            for letter in self.letters
        ]
        return values


_Place = tuple[str, int]
"""A source and an offset in it."""

_Lines = dict[_Place, int]
"""The line numbers of places, where they are known."""


def dead_letters(arguments: Sequence[str], _: Console) -> None:
    """Prints the groups to stdout. Raises InputError if there are no files, or one is damaged."""
    options = parser().parse_args(arguments)
    files = read.find_dead_letters(options.path)
    outputs = read.outputs_of(options.path, [file.path for file in files])
    replayed = set().union(*(read.replayed(files, output) for output in outputs))
    damaged: list[tuple[str, str]] = []
    groups = _grouped(files, replayed, damaged, _MAX_PAYLOADS if options.show_payload else 1)
    lines = _line_numbers(letter for group in groups for letter in group.letters)
    if options.json:
        values = [group.as_json(lines, options.show_payload) for group in groups]
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


def _grouped(
    files: Iterable[read.DeadLetterFile],
    replayed: set[read.DeadLetterFile],
    damaged: list[tuple[str, str]],
    kept_letters: int,
) -> list[_Group]:
    """Returns the groups, the largest first.

    Appends the path and the problem of each damaged file to `damaged`.
    """
    groups: dict[tuple[str, str], _Group] = {}
    for file in files:
        for letter in _readable_letters(file, damaged):
            code, message = letter["error_code"], letter["error_message"]
            key = code, _NUMBER.sub("N", message)
            group = groups.setdefault(key, _Group(code, message))
            if file in replayed:
                group.replayed += 1
            else:
                group.add(letter, kept_letters)
    return sorted(groups.values(), key=lambda each: (-each.count, each.error_code, each.reason))


def _line_numbers(letters: Iterable[read.Letter]) -> _Lines:
    offsets: dict[str, set[int]] = {}
    for letter in letters:
        # The offset of a message counts from its start.
        if letter["message_id"] is None and letter["source_offset"] is not None:
            offsets.setdefault(letter["source"], set()).add(letter["source_offset"])
    return {
        (source, offset): line
        for source, wanted in offsets.items()
        for offset, line in read.line_numbers(source, wanted).items()
    }


def _readable_letters(
    file: read.DeadLetterFile, damaged: list[tuple[str, str]]
) -> Iterator[read.Letter]:
    try:
        yield from read.letters_of(file)
    except read.DamagedInputError as error:
        damaged.append((file.path, str(error)))
    except OSError as error:
        damaged.append((file.path, error.strerror or type(error).__name__))


def _lines(groups: Sequence[_Group], lines: _Lines, show_payload: bool) -> Iterator[str]:
    left = [group for group in groups if group.count]
    replayed = counted(sum(group.replayed for group in groups), "dead letter")
    if not left:
        yield "no dead letters" if not groups else f"no dead letters left: {replayed} replayed"
        return
    width = len(f"{left[0].count:,}")
    for group in left:
        yield f"{group.count:>{width},}  {group.error_code}: {printable(group.reason)}"
        for letter in group.letters:
            path = letter["error_path"]
            place = _shown_place(letter, lines) + (f" at {printable(path)}" if path else "")
            if show_payload:
                yield f"{'':{width}}  {place}: {_shown_payload(letter)}"
                continue
            others = [
                counted(len(names) - 1, f"other {noun}")
                for names, noun in ((group.sources, "file"), (group.paths, "path"))
                if len(names) > 1
            ]
            more = f", and {' and '.join(others)}" if others else ""
            yield f"{'':{width}}  {'such as ' if group.count > 1 else ''}{place}{more}"
    if any(group.replayed for group in groups):
        yield f"{replayed} replayed before, not counted above"


def _place(letter: read.Letter) -> _Place:
    return letter["source"], letter["source_offset"]


def _shown_place(letter: read.Letter, lines: _Lines) -> str:
    source = printable(letter["source"] or "-")
    if letter["message_id"] is not None:
        return f"message {printable(letter['message_id'])} of {source}"
    line = lines.get(_place(letter))
    if letter["source_offset"] is None:
        return source
    return f"{source} (byte {letter['source_offset']})" if line is None else f"{source}:{line}"


def _shown_payload(letter: read.Letter) -> str:
    payload, size = letter["payload"], letter["payload_size"]
    if payload is None:
        return f"({size:,} bytes, not kept)"
    text = printable(_text(payload) or "")
    return text if len(payload) == size else f"{text} … ({size:,} bytes)"


def _text(payload: bytes | None) -> str | None:
    return None if payload is None else payload.decode("utf-8", "backslashreplace")
