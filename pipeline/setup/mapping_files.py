"""Reads the mapping files that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape

from pipeline.report import printable
from schemas.mapping import Mapping, Override, find_overrides
from transforms.storage import load_mappings

_MAX_WARNINGS: Final = 5


def read_mapping(paths: Sequence[str], console: Console) -> Mapping:
    """Loads the built-in tables and the user's files; warns about rules that override each other.

    Raises:
        UsageError: A file cannot be read or is not valid.
    """
    mapping = load_mappings(paths)
    lines = [override_text(override) for override in find_overrides(mapping)]
    for line in lines[:_MAX_WARNINGS]:
        console.print(f"[yellow]warning:[/] {escape(line)}", soft_wrap=True)
    if len(lines) > _MAX_WARNINGS:
        more = f"{len(lines) - _MAX_WARNINGS} more: `job-status mapping lint FILE...` lists them"
        console.print(f"[yellow]warning:[/] {more}", soft_wrap=True)
    return mapping


def override_text(override: Override) -> str:
    """Describes a rule that overrides one of an earlier file."""
    _, file, entry, earlier_file, earlier = override
    of = "" if override.provider is None else f" of {printable(override.provider)}"
    return (
        f'{file}:{entry.line}: {entry.kind} "{printable(entry.text)}"{of} means {entry.value}, '
        f"not {earlier.value} as at {earlier_file}:{earlier.line}"
    )
