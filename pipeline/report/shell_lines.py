"""Command lines that a narrow page can hold and a POSIX shell can still be given."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

_INDENT = "  "


def as_called(words: Sequence[str]) -> list[str]:
    """A command of this program by what the caller's shell finds: its path, where its name is not.

    Args:
        words: Of the command; the first is the program's name.
    """
    name, *rest = words
    path = sys.argv[0]
    found = shutil.which(name)
    is_found = found is not None and os.path.realpath(found) == os.path.realpath(path)
    if is_found or os.path.basename(path) != name:
        return [name, *rest]
    return [min(path, os.path.relpath(path), key=len), *rest]


def shell_line(words: Sequence[str], target: str | None = None) -> str:
    """A command in one line; `target` is a file that takes what it prints."""
    line = shlex.join(words)
    return line if target is None else f"{line} > {shlex.quote(target)}"


def shell_lines(words: Sequence[str], target: str | None, width: int) -> list[str]:
    """A command in lines of at most `width` columns.

    A line that goes on ends with a backslash: pasted together, they are the one command. A word
    that is too long for a line goes on in the first column of the next.

    Args:
        words: Of the command, without line ends.
        target: A file that takes what it prints, or None.
        width: In columns of a terminal, 20 at least.
    """
    lines: list[str] = []
    line = _INDENT
    pieces = [_pieces(word, width) for word in words]
    if target is not None:
        pieces += [iter([">"]), _pieces(target, width)]
    for word in pieces:
        first, *rest = word
        if line.strip() and cell_len(line) + cell_len(first) + 3 > width:
            lines.append(f"{line} \\")
            line = _INDENT * 2
        line += f" {first}" if line.strip() else first
        for piece in rest:
            lines.append(line + "\\")
            line = piece
    return [*lines, line]


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word as a shell takes it, in pieces that fit into a line with an indent."""
    piece = ""
    for character in word:
        if cell_len(shlex.quote(piece + character)) > width - 2 * len(_INDENT) - 3:
            yield shlex.quote(piece)
            piece = ""
        piece += character
    yield shlex.quote(piece)
