"""What can be wrong with a mapping file, and how it is said."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from schemas.errors import UsageError


class Problem(NamedTuple):
    """What is wrong with a mapping file.

    Attributes:
        line: The line, from 1.
        path: The keys that lead there, joined by dots; empty for the whole file.
        message: What is wrong.
        hint: What to do about it.
    """

    line: int
    path: str
    message: str
    hint: str | None = None


class MappingError(UsageError):
    """A mapping file cannot be used.

    Attributes:
        problems: All that is wrong with it, by line.
    """

    def __init__(
        self, message: str, hint: str | None = None, problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message, hint)
        self.problems = problems

    @classmethod
    def of(cls, file_name: str, problems: Iterable[Problem]) -> MappingError:
        """Makes the error of a file from what is wrong with it (at least one problem)."""
        ordered = tuple(sorted(problems, key=lambda problem: problem.line))
        first = ordered[0]
        hint = first.hint or ""
        if len(ordered) > 1:
            hint += f" ({len(ordered) - 1} more: `job-status mapping lint FILE` lists them)"
        return cls(describe(file_name, first), hint.strip() or None, ordered)


def describe(file_name: str, problem: Problem) -> str:
    """Returns a problem as one line: file, line, path, what is wrong."""
    path = f"{problem.path}: " if problem.path else ""
    return f"{file_name}:{problem.line}: {path}{problem.message}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that somebody who wrote `word` most likely meant, or None."""
    by_folded = {k.casefold(): k for k in known}
    found = difflib.get_close_matches(word.casefold()[:64], by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None
