"""Removes the empty directories of an output that a run has created and not used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from transforms.storage import file_paths, filesystem, manifest_directory
from transforms.write import CommitSettings


@contextmanager
def removed_where_unused(settings: CommitSettings) -> Iterator[None]:
    """Removes local directories of the run that are new and empty, also after an error.

    Directories that exist when the block begins stay.
    """
    used = [manifest_directory(settings.output)]
    for place in settings.places():
        used += [place.staging(settings.run_id), place.files]
    missing: set[str] = set()
    for directory in filter(file_paths.is_local, used):
        while not os.path.lexists(directory):
            missing.add(directory)
            directory = os.path.dirname(directory)
    try:
        yield
    finally:
        # Each directory before its parent.
        for directory in sorted(missing, key=len, reverse=True):
            filesystem.remove_if_empty(directory)
