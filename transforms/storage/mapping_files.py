"""Reads the mapping files that a user names."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.mapping import Mapping, merge_files, parse_mapping
from transforms.storage.text_file import read_text


def load_mappings(paths: Iterable[str]) -> Mapping:
    """Loads the built-in tables and the files of the user. Later files win.

    Raises:
        UsageError: A file cannot be read or is not valid.
    """
    return merge_files(parse_mapping(read_text(path, "the mapping"), path) for path in paths)
