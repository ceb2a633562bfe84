"""Finds the sizes of files among many others."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from schemas.errors import OutputError
from transforms.storage import file_paths, filesystem


def sizes_of(paths: Iterable[str]) -> dict[str, int]:
    """Returns the sizes in bytes of those files that exist.

    Their directories may also hold years of other files. So asks for each local file, and lists
    objects by the common prefix of their names: some object stores need as long for one object.

    Raises:
        OutputError: The filesystem cannot tell.
    """
    sizes: dict[str, int] = {}
    names: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        directory, _, name = path.rpartition("/")
        if not file_paths.is_local(path):
            names[directory].append(name)
            continue
        try:
            sizes[path] = filesystem.size(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise OutputError(f"cannot read {path}: {filesystem.error_text(error)}") from error
    for directory, those in names.items():
        sizes |= filesystem.list_files(directory, os.path.commonprefix(those))  # noqa: RUF071
    return sizes
