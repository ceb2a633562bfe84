"""Collects what the report page shows beside the report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from pipeline.options import RunOptions, command_words
from pipeline.report import (
    LetterGroup,
    Lines,
    NextStep,
    as_called,
    group_letters,
    letter_lines,
    letter_place,
    next_steps,
)
from schemas.errors import JobStatusError
from schemas.manifest import Manifest
from transforms import read

_MAX_LETTERS = 10_000
_MAX_LETTER_BYTES = 100_000_000
_MAX_GROUPS = 20


@dataclass(frozen=True)
class PageDetails:
    """The content of the page that is not in the report.

    Attributes:
        command: The command line of the run, or "" if it is not known.
        directory: Where it ran: relative paths in commands start there.
        steps: What to do next.
        letters: The largest groups of dead letters, each with its first letter.
        lines: The lines of these letters in their sources.
        rules: A mapping file to fill in, or "".
    """

    command: str = ""
    directory: str = ""
    steps: Sequence[NextStep] = ()
    letters: Sequence[LetterGroup] = ()
    lines: Lines = field(default_factory=dict)
    rules: str = ""

    def place_of(self, group: LetterGroup) -> str:
        """Returns the place of the first letter of a group."""
        return letter_place(group.letters[0], self.lines)


def page_details(
    report: Manifest,
    options: RunOptions,
    command: str,
    beam_arguments: Sequence[str],
    rules: str,
) -> PageDetails:
    """Collects the details of a run. Reads its dead letters, at most 10,000, and their sources."""
    letters = ((each, False) for each in islice(_letters(report), _MAX_LETTERS))
    groups = group_letters(letters, kept_letters=1)[:_MAX_GROUPS]
    return PageDetails(
        command=shlex.join(as_called(command_words(command, options, beam_arguments))),
        directory=os.getcwd(),
        steps=list(next_steps(report, options)),
        letters=groups,
        lines=letter_lines(group.letters[0] for group in groups),
        rules=rules,
    )


def command_text(step: NextStep) -> str:
    """Returns the command of a step as a line for a POSIX shell, or "" if none can be shown."""
    if not step.command or not all(word.isprintable() for word in step.command):
        return ""
    target = f" > {shlex.quote(step.target)}" if step.target else ""
    return shlex.join(as_called(step.command)) + target


def _letters(report: Manifest) -> Iterator[read.Letter]:
    """Yields the first dead letters of a run, as far as they can be read."""
    size = 0
    for file in report.files:
        if file.output != "dead_letter":
            continue
        with suppress(JobStatusError, read.DamagedInputError, OSError):
            for letter in read.letters_of(read.DeadLetterFile(file.path, file.bytes)):
                yield letter
                size += len(letter["payload"] or b"")
                if size > _MAX_LETTER_BYTES:
                    return
