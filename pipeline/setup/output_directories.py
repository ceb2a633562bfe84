"""Prepares the directories of an output for a run, and removes those that it has not used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.setup.prepare import check_output
from transforms.storage import file_paths, filesystem, manifest_directory
from transforms.write import CommitSettings, OwnedStaging


@contextmanager
def owned_output(
    settings: CommitSettings, mark: str = "", *, is_bound: bool = True
) -> Iterator[None]:
    """Checks the output, and makes this process the owner of the run until the block ends.

    Args:
        settings: Where the run writes.
        mark: A part of the run ids of all its commits, or "" if it has only one.
        is_bound: Whether the run ends with this process. Else it has no owner.

    Raises:
        ForeignPathError: A link or a manifest in the output leads out of it.
        OutputError: It cannot be written, it holds a run and `--write_mode` is `error`, or the run
            is active already.
    """
    with _removed_where_unused(settings), OwnedStaging(settings, mark) as staging:
        check_output(settings)
        if not is_bound:
            staging.release()
        yield


@contextmanager
def _removed_where_unused(settings: CommitSettings) -> Iterator[None]:
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
