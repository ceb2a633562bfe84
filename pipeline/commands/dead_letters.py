"""`job-status dead-letters`: what is wrong with dead letters, grouped and counted."""

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
from transforms.read import (
    DamagedInputError,
    DeadLetterFile,
    Letter,
    find_dead_letters,
    letters_of,
    outputs_of,
    replayed,
)

_MOST_PAYLOADS = 10
"""Payloads shown of a group."""

_MOST_PAYLOAD_BYTES = 2000


@dataclass
class Group:
    """Dead letters that have their error code, path and source in common.

    Attributes:
        count: How many there are.
        replayed: How many of them lie in files that were replayed.
        message: What is wrong with the first of them.
        letters: The first few of them, where they are to be shown.
    """

    error_code: str
    error_path: str | None
    source: str | None
    count: int = 0
    replayed: int = 0
    message: str = ""
    letters: list[Letter] = field(default_factory=list)

    def as_json(self, show_payload: bool) -> dict[str, Any]:
        """The group as values of JSON; payloads only where they are asked for."""
        shown: dict[str, Any] = {
            "error_code": self.error_code,
            "error_path": self.error_path,
            "source": self.source,
            "count": self.count,
            "replayed": self.replayed,
            "error_message": self.message,
        }
        if show_payload:
            shown["payloads"] = [_shown(letter) for letter in self.letters]
        return shown


def dead_letters(arguments: Sequence[str], console: Console) -> None:
    """Shows what is wrong with dead letters; results go to stdout.

    Raises:
        InputError: There are no such files, or one of them is damaged.
    """
    options = _parser().parse_args(list(arguments))
    files = find_dead_letters(options.path)
    paths = [file.path for file in files]
    done = set().union(*(replayed(files, each) for each in outputs_of(options.path, paths)))
    damaged: list[tuple[str, str]] = []
    groups = grouped(files, done, damaged, options.show_payload)
    if options.json:
        shown = [group.as_json(options.show_payload) for group in groups]
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        sys.stdout.writelines(line + "\n" for line in text_of(groups))
    if damaged:
        path, why = damaged[0]
        raise InputError(
            f"{len(damaged)} file(s) of dead letters damaged, the first {path}: {why}",
            "what could be read of them is counted above",
        )


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="job-status dead-letters",
        description="Shows what is wrong with dead letters, grouped by code, path and source.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        help="the output of a run, a directory of dead letters, or a pattern of files",
    )
    parser.add_argument(
        "--show_payload",
        action="store_true",
        help=f"show the first {_MOST_PAYLOADS} payloads of each group; they may hold personal data",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def grouped(
    files: Iterable[DeadLetterFile],
    done: set[DeadLetterFile],
    damaged: list[tuple[str, str]],
    keep_letters: bool,
) -> list[Group]:
    """Groups the letters of files.

    Args:
        files: Where they are.
        done: Those of the files that were replayed.
        damaged: Takes the path of each damaged file, and what is wrong with it.
        keep_letters: Whether to keep the first few letters of a group.

    Returns:
        The groups, the largest first.
    """
    groups: dict[tuple[str, str | None, str | None], Group] = {}
    for file in files:
        for letter in _until_damage(file, damaged):
            key = letter["error_code"], letter["error_path"], letter["source"]
            group = groups.get(key)
            if group is None:
                group = groups[key] = Group(*key, message=letter["error_message"])
            group.count += 1
            group.replayed += file in done
            if keep_letters and len(group.letters) < _MOST_PAYLOADS:
                group.letters.append(_cut(letter))
    return sorted(
        groups.values(),
        key=lambda each: (-each.count, each.error_code, each.error_path or "", each.source or ""),
    )


def _until_damage(file: DeadLetterFile, damaged: list[tuple[str, str]]) -> Iterator[Letter]:
    try:
        yield from letters_of(file)
    except DamagedInputError as error:
        damaged.append((file.path, str(error)))
    except OSError as error:
        damaged.append((file.path, error.strerror or type(error).__name__))


def _cut(letter: Letter) -> Letter:
    payload = letter["payload"]
    return {**letter, "payload": payload if payload is None else payload[:_MOST_PAYLOAD_BYTES]}


def _shown(letter: Letter) -> dict[str, Any]:
    payload = letter["payload"]
    return {
        "source_offset": letter["source_offset"],
        "message_id": letter["message_id"],
        "payload_size": letter["payload_size"],
        "payload": None if payload is None else payload.decode("utf-8", "backslashreplace"),
    }


def text_of(groups: Sequence[Group]) -> Iterator[str]:
    """Groups as lines for people: first what all have, then the payloads that are to be shown."""
    if not groups:
        yield "no dead letters"
        return
    width = len(f"{groups[0].count:,}")
    for group in groups:
        place = f" at {group.error_path}" if group.error_path else ""
        again = f" ({group.replayed:,} replayed)" if group.replayed else ""
        yield (
            f"{group.count:>{width},}  {group.error_code}{place}  {printable(group.source or '-')}"
            f"{again}"
        )
        yield f"{'':{width}}  {group.message}"
        for letter in group.letters:
            yield f"{'':{width}}  {_origin(letter)}: {_payload_text(letter)}"


def _origin(letter: Letter) -> str:
    if letter["message_id"] is not None:
        return f"message {printable(letter['message_id'])}"
    return f"offset {letter['source_offset']}"


def _payload_text(letter: Letter) -> str:
    payload, size = letter["payload"], letter["payload_size"]
    if payload is None:
        return f"({size:,} bytes, not kept)"
    text = printable(payload.decode("utf-8", "backslashreplace"))
    return text if len(payload) == size else f"{text} … ({size:,} bytes)"
