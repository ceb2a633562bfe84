"""Groups dead letters by error code and reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.report.text import counted, printable
from transforms import read  # loads Beam when a name is used

_NUMBER = re.compile(r"\d+")

_MAX_PAYLOAD_BYTES = 2000


@dataclass
class LetterGroup:
    """Dead letters with the same error code and reason, apart from numbers in it.

    Attributes:
        reason: The error message, with `N` in place of a number that is not the same in all.
        count: Letters that were not replayed. All below are about these.
        replayed: Letters that were replayed. If they failed again, there are newer letters.
        paths: The distinct JSON paths, in the order in which they were found.
        sources: The distinct sources.
        letters: The first letters, to be shown, with the start of their payloads.
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

    @property
    def others(self) -> str:
        """Names the number of files and paths beside those of the first letter, if any."""
        others = [
            counted(len(names) - 1, f"other {noun}")
            for names, noun in ((self.sources, "file"), (self.paths, "path"))
            if len(names) > 1
        ]
        return " and ".join(others)


def group_letters(
    letters: Iterable[tuple[read.Letter, bool]], kept_letters: int
) -> list[LetterGroup]:
    """Groups letters, each given with whether it was replayed; the largest group is first."""
    groups: dict[tuple[str, str], LetterGroup] = {}
    for letter, is_replayed in letters:
        code, message = letter["error_code"], letter["error_message"]
        key = code, _NUMBER.sub("N", message)
        group = groups.setdefault(key, LetterGroup(code, message))
        if is_replayed:
            group.replayed += 1
        else:
            group.add(letter, kept_letters)
    return sorted(groups.values(), key=lambda each: (-each.count, each.error_code, each.reason))


Lines = dict[tuple[str, int], int]
"""The line numbers of offsets in sources, where they are known."""


def letter_lines(letters: Iterable[read.Letter]) -> Lines:
    """Returns the line numbers of letters. Reads their sources up to the last of them."""
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


def letter_place(letter: read.Letter, lines: Lines) -> str:
    """Returns the message, or the source and line, of a letter, and the JSON path in it."""
    source, path = printable(letter["source"] or "-"), letter["error_path"]
    offset = letter["source_offset"]
    if letter["message_id"] is not None:
        place = f"message {printable(letter['message_id'])} of {source}"
    elif offset is None:
        place = source
    else:
        line = lines.get((letter["source"], offset))
        place = f"{source} (byte {offset})" if line is None else f"{source}:{line}"
    return f"{place} at {printable(path)}" if path else place
