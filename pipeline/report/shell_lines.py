"""Formats commands so that they fit a narrow terminal and can be pasted into a POSIX shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

_INDENT = "  "


def as_called(words: Sequence[str]) -> list[str]:
    """Replaces the first word, this program's name, by its path if the shell would not find it."""
    name, *rest = words
    path = sys.argv[0]
    found = shutil.which(name)
    is_found = found is not None and os.path.realpath(found) == os.path.realpath(path)
    if is_found or os.path.basename(path) != name:
        return [name, *rest]
    return [min(path, os.path.relpath(path), key=len), *rest]


def shell_lines(words: Sequence[str], target: str | None, width: int) -> list[str]:
    """Returns a command as lines of at most `width` columns, which must be at least 20.

    All lines but the last end with a backslash. A word that is too long for a line continues in
    the first column of the next one. No word holds a line end. `target` is the file to which the
    output is redirected, or None.
    """
    room = width - 2 * len(_INDENT) - len(" \\") - 1
    quoted_words = [list(_quoted_fragments(word, room)) for word in words]
    if target is not None:
        quoted_words += [[">"], list(_quoted_fragments(target, room))]
    lines = []
    line = _INDENT
    for first, *others in quoted_words:
        if line.strip() and cell_len(f"{line} {first} \\") > width:
            lines.append(f"{line} \\")
            line = _INDENT * 2
        line += f" {first}" if line.strip() else first
        for fragment in others:
            lines.append(f"{line}\\")
            line = fragment
    return [*lines, line]


def _quoted_fragments(word: str, room: int) -> Iterator[str]:
    """Quotes a word, in fragments of at most `room` columns that form the word together."""
    fragment = ""
    for character in word:
        if cell_len(shlex.quote(fragment + character)) > room:
            yield shlex.quote(fragment)
            fragment = ""
        fragment += character
    yield shlex.quote(fragment)
