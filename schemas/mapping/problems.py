"""The problems of a file of rules or cases, the error that carries them, and similar words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple

from schemas.errors import UsageError
from schemas.mapping.normalise import spellings

_LONGEST: Final = 64
"""Characters that are compared for similarity: it takes a time quadratic in their number."""

_SHORTEST_PART: Final = 3
"""The shortest known word that is worth finding in another text."""


class Problem(NamedTuple):
    """A problem in a file; `hint` is a correction, and lines count from 1.

    `path` has the keys that lead to the problem, joined by dots; it is empty for the whole file.
    """

    line: int
    path: str
    message: str
    hint: str | None = None


class MappingError(UsageError):
    """A file of rules or cases cannot be used; `problems` has all its problems, by line."""

    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, file_name: str, problems: Iterable[Problem], command: str = "lint") -> MappingError:
        """Returns the error for the problems of a file (at least one).

        `command` is the subcommand of `mapping` that lists all of them.
        """
        ordered = tuple(sorted(problems, key=lambda problem: problem.line))
        first = ordered[0]
        hint = first.hint or ""
        if len(ordered) > 1:
            hint += f" ({len(ordered) - 1} more: `job-status mapping {command} FILE` lists them)"
        error = cls(describe(file_name, first), hint.strip() or None)
        error.problems = ordered
        return error


def describe(file_name: str, problem: Problem) -> str:
    """Formats a problem as one line: file, line, path, message."""
    path = f"{problem.path}: " if problem.path else ""
    return f"{file_name}:{problem.line}: {path}{problem.message}"


def problem_lines(file_name: str, problems: Iterable[Problem]) -> list[str]:
    """Formats problems as lines, each with its hint below it."""
    lines: list[str] = []
    for problem in problems:
        lines.append(describe(file_name, problem))
        if problem.hint:
            lines.append(f"    {problem.hint}")
    return lines


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word most similar to `word`, or None if none is similar."""
    return next(iter(similar(word, known, 1)), None)


def similar(word: str, known: Iterable[str], count: int, cutoff: float = 0.7) -> list[str]:
    """Returns the known words most similar to `word`, at most `count`.

    First those that `word` contains, the longest first, then those with a similar spelling.
    """
    words = _words(word)
    # Of two words that differ only in case, the first one is enough.
    by_words = {_words(each): each for each in reversed([*known])}
    contained = sorted(filter(partial(_contains, words), by_words), key=len, reverse=True)
    close = difflib.get_close_matches(words, by_words, count, cutoff)
    return [by_words[each] for each in dict.fromkeys([*contained, *close])][:count]


def _words(text: str) -> str:
    """Returns the words of a text in lower case, at most 64 characters."""
    return " ".join(re.findall(r"[^\W_]+", spellings(text[:_LONGEST]).split))


def _contains(words: str, part: str) -> bool:
    """Returns True if a text has another as whole words, or at least half of it is the other."""
    if len(part) < _SHORTEST_PART:
        return False
    joined, joined_part = words.replace(" ", ""), part.replace(" ", "")
    is_half = 2 * len(joined_part) >= len(joined)
    return f" {part} " in f" {words} " or (is_half and joined_part in joined)
