"""Removes the empty directories of an output that a run has made and not used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from transforms.storage import file_paths, filesystem, manifest_directory
from transforms.write import CommitSettings


@contextmanager
def removed_where_unused(settings: CommitSettings) -> Iterator[None]:
    """Removes local directories that are new and empty when the block ends, however it ends.

    Args:
        settings: Where a run writes. Directories that were there before stay, empty or not.
    """
    new = _missing(settings)
    try:
        yield
    finally:
        for directory in new:
            filesystem.remove_if_empty(directory)


def _missing(settings: CommitSettings) -> list[str]:
    """Those local directories of an output that are not there, each before its parent."""
    used = [manifest_directory(settings.output)]
    for place in settings.places():
        used += [place.staging(settings.run_id), place.files]
    missing: set[str] = set()
    for directory in filter(file_paths.is_local, used):
        while not os.path.lexists(directory):
            missing.add(directory)
            directory = os.path.dirname(directory)
    return sorted(missing, key=len, reverse=True)
