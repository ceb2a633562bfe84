"""Reads the text files that a command line names, the mapping for example."""

from __future__ import annotations

from schemas.errors import InputError, UsageError
from schemas.mapping import Mapping, load_mapping
from transforms.storage import file_paths, filesystem


def read_mapping(path: str | None) -> Mapping:
    """Loads the built-in tables and the user's file, if a path is given.

    Raises:
        UsageError: The user's file cannot be read or is not valid.
    """
    return load_mapping() if path is None else load_mapping(read_text(path, "the mapping"), path)


def read_text(path: str, kind: str) -> str:
    """Reads a file that messages call `kind`; raises UsageError if it cannot, or is not UTF-8."""
    file_paths.check_scheme(path)
    try:
        return filesystem.read(file_paths.normal(path)).decode()
    except InputError as error:
        raise UsageError(error.message.replace("the input", kind)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{kind} {path} is not UTF-8 (byte {error.start})") from error
