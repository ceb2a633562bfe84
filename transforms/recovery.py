"""Completes or removes what dead runs left in an output, before a new one begins."""

from __future__ import annotations

import time

from transforms import storage
from transforms.commit import (
    PENDING,
    CommitSettings,
    finish,
    manifest_directory,
    manifests,
    remove_replaced,
)

_OLD_SECONDS = 24 * 3600
"""Under `append` another run may be alive; staging this old belongs to none."""


def recover(settings: CommitSettings) -> list[str]:
    """Completes commits that were begun and removes staging that nothing will commit.

    Returns:
        The ids of the runs whose commit was completed.

    Raises:
        OutputError: A commit cannot be completed.
    """
    completed = []
    for file in storage.list_files(manifest_directory(settings.output)):
        if file.path.endswith(PENDING):
            run_id = file.path.rpartition("/")[2].removesuffix(PENDING)
            finish(settings.output, run_id)
            completed.append(run_id)
    for _, manifest in manifests(settings.output):
        remove_replaced(settings.output, manifest)
    for place in settings.places():
        staging = storage.join(place.root, "_staging")
        for run_id in storage.list_directories(staging):
            directory = storage.join(staging, run_id)
            if settings.write_mode != "append" or _is_old(directory):
                storage.delete([directory])
        storage.remove_if_empty(staging)
    return completed


def clear_staging(settings: CommitSettings) -> None:
    """Removes what this run staged and will not commit."""
    for place in settings.places():
        storage.delete([place.staging(settings.run_id)])
        storage.remove_if_empty(storage.join(place.root, "_staging"))


def _is_old(directory: str) -> bool:
    newest = storage.newest_change(directory)
    return newest is None or time.time() - newest > _OLD_SECONDS
