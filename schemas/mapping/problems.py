"""The problems of a mapping file, and the error that carries them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from schemas.errors import UsageError


class Problem(NamedTuple):
    """A problem in a mapping file; `hint` is a correction, and lines count from 1.

    `path` has the keys that lead to the problem, joined by dots; it is empty for the whole file.
    """

    line: int
    path: str
    message: str
    hint: str | None = None


class MappingError(UsageError):
    """A mapping file cannot be used; `problems` has all its problems, by line."""

    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, file_name: str, problems: Iterable[Problem]) -> MappingError:
        """Returns the error for the problems of a file (at least one)."""
        ordered = tuple(sorted(problems, key=lambda problem: problem.line))
        first = ordered[0]
        hint = first.hint or ""
        if len(ordered) > 1:
            hint += f" ({len(ordered) - 1} more: `job-status mapping lint FILE` lists them)"
        error = cls(describe(file_name, first), hint.strip() or None)
        error.problems = ordered
        return error


def describe(file_name: str, problem: Problem) -> str:
    """Formats a problem as one line: file, line, path, message."""
    path = f"{problem.path}: " if problem.path else ""
    return f"{file_name}:{problem.line}: {path}{problem.message}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word most similar to `word`, or None if none is similar."""
    by_folded = {k.casefold(): k for k in known}
    found = difflib.get_close_matches(word.casefold()[:64], by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None
