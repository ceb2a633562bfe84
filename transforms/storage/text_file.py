"""Reads the text files that a user names, the mapping for example."""

from __future__ import annotations

from schemas.errors import InputError, UsageError
from transforms.storage import file_paths, filesystem

_MAX_BYTES = 256_000_000


def read_text(path: str, kind: str) -> str:
    """Reads a file that messages call `kind`.

    Raises:
        UsageError: It cannot be read, is larger than 256 MB, or is not UTF-8; or its path is not.
    """
    file_paths.check_path(path)
    try:
        with filesystem.open_for_reading(file_paths.normal(path)) as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UsageError(f"{kind} {path} has more than {_MAX_BYTES:,} bytes")
        return data.decode()
    except InputError as error:
        raise UsageError(error.message.replace("the input", kind)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{kind} {path} is not UTF-8 (byte {error.start})") from error
