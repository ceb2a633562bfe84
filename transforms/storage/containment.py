"""Keeps a run inside its own directories: a link, or a path in a manifest, could lead out of them.

The output may be a symbolic link, and so may any directory above it. Nothing below it may be one.
Object stores have no links, but the same rule holds for the text of their paths.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from schemas.errors import ForeignPathError
from transforms.storage import file_paths, filesystem


def is_below(directory: str, path: str) -> bool:
    """Returns whether the text of a path is below a directory; links are not resolved."""
    start = file_paths.join(directory, "")
    names = path.removeprefix(start).split("/")
    return path.startswith(start) and "\0" not in path and {"", ".", ".."}.isdisjoint(names)


def refuse_links(directory: str, path: str) -> None:
    """Raises ForeignPathError if a path, or a step from a directory to it, is a symbolic link."""
    if file_paths.is_local(path):
        step = directory
        for name in path.removeprefix(file_paths.join(directory, "")).split("/"):
            step = file_paths.join(step, name)
            if os.path.islink(step):
                raise _link_error(step)


def refuse_links_in(root: str, directory: str) -> None:
    """Checks a directory below a root as `refuse_links` does, and each entry of the directory."""
    refuse_links(root, directory)
    for link in filesystem.links(directory):
        raise _link_error(link)


def list_without_links(root: str, directory: str, prefix: str) -> list[filesystem.FileInfo]:
    """Lists the files in a directory below a root by name prefix; raises as `refuse_links_in`."""
    refuse_links(root, directory)
    files, links = filesystem.files_and_links(directory, prefix)
    for link in links:
        raise _link_error(link)
    return files


def refuse_foreign(roots: Iterable[str], path: str, directory: str | None = None) -> None:
    """Raises ForeignPathError if a path is outside the directories of a run, or behind a link.

    The error suggests `directory` as --dead_letter_output; if None, the directory of the path.
    """
    links: list[ForeignPathError] = []
    for root in roots:
        if is_below(root, path):
            try:
                refuse_links(root, path)
            except ForeignPathError as error:
                links.append(error)
            else:
                return
    if links:
        raise links[0]
    raise ForeignPathError(
        f"an earlier run names {path!r}, which is neither in this --output nor in this "
        "--dead_letter_output; it was left as it is",
        f"if it is yours, give --dead_letter_output {directory or file_paths.parent(path)!r}; "
        "or choose another --output",
    )


def _link_error(path: str) -> ForeignPathError:
    return ForeignPathError(
        f"{path!r} is a symbolic link inside the output, which is not followed",
        "replace it by the file or directory it points to, or choose another --output, which may "
        "be a link itself",
    )
