"""Reads a text file that the command line names."""

from __future__ import annotations

from schemas.errors import InputError, UsageError
from transforms.storage import file_paths, filesystem


def read_text(path: str, what: str) -> str:
    """Reads a UTF-8 file; raises UsageError, which calls it `what`, if that fails."""
    file_paths.check_scheme(path)
    try:
        return filesystem.read(file_paths.normal(path)).decode()
    except InputError as error:
        raise UsageError(error.message.replace("the input", what)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not UTF-8 (byte {error.start})") from error
