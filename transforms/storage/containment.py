"""Keeps a run within its own directories: a path in a manifest, or a link, could lead out of them.

The output may be a symbolic link, and so may any directory above it. Nothing below it may be one.
Object stores have no links, but the same rule holds for the text of their paths.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from schemas.errors import ForeignPathError
from transforms.storage import file_paths, filesystem


def is_below(directory: str, path: str) -> bool:
    """Returns whether a path lies below a directory, by its text."""
    start = file_paths.join(directory, "")
    names = path.removeprefix(start).split("/")
    return path.startswith(start) and "\0" not in path and {"", ".", ".."}.isdisjoint(names)


def refuse_links(directory: str, path: str) -> None:
    """Checks each step of the way from a directory to a path below it.

    Raises:
        ForeignPathError: One of them is a symbolic link.
    """
    if file_paths.is_local(path):
        place = directory
        for name in path.removeprefix(file_paths.join(directory, "")).split("/"):
            place = file_paths.join(place, name)
            if os.path.islink(place):
                raise _link(place)


def refuse_links_in(root: str, directory: str) -> None:
    """Checks the way to a directory below a root, and all that lies right in the directory.

    Raises:
        ForeignPathError: Something is a symbolic link.
        OutputError: The directory cannot be listed.
    """
    refuse_links(root, directory)
    for link in filesystem.links(directory):
        raise _link(link)


def refuse_foreign(roots: Iterable[str], path: str, directory: str | None = None) -> None:
    """Checks that a path lies below one of the directories of a run, with no link on the way.

    Args:
        roots: The directories of the run.
        path: The path.
        directory: What the run that made it had as --dead_letter_output, if it does not lie right
            in there.

    Raises:
        ForeignPathError: It does not.
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
        f"an earlier run names {path!r}, which lies neither in this --output nor in this "
        "--dead_letter_output; it was left as it is",
        f"if it is yours, give --dead_letter_output {directory or path.rpartition('/')[0]!r}; "
        "or choose another --output",
    )


def _link(path: str) -> ForeignPathError:
    return ForeignPathError(
        f"{path!r} is a symbolic link inside the output, which is not followed",
        "put what it leads to in its place, or choose another --output, which may be a link itself",
    )
