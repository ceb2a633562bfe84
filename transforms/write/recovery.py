"""Completes or removes what dead runs left in an output, before a new one begins."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from transforms.storage import (
    PENDING,
    file_paths,
    filesystem,
    manifest_directory,
    manifest_files,
    pending_path,
    read_intent,
    refuse_links,
    refuse_links_in,
    remove_staging,
    staging_root,
)
from transforms.write.commit import CommitSettings, finish

_OLD_SECONDS = 24 * 3600
"""Under `append` another run may be alive; staging this old belongs to none."""

_PART = ".part"
"""How the name of a small local file ends that is not whole."""


def recover(settings: CommitSettings) -> list[str]:
    """Completes commits that were begun and removes what nothing will commit.

    Returns:
        The ids of the runs whose commit was completed.

    Raises:
        ForeignPathError: A link or an intent leads out of the output.
        OutputError: A commit cannot be completed.
    """
    check_links(settings)
    completed, cut_off = [], []
    for path, _ in manifest_files(settings.output):
        if path.endswith(_PART):
            cut_off.append(path)
        elif path.endswith(PENDING):
            intent = read_intent(path)
            if intent is None:
                cut_off.append(path)
            else:
                finish(settings, intent)
                completed.append(intent.manifest.run_id)
    alive = _remove_staging(settings)
    # What a living run is writing at this moment looks cut off too.
    filesystem.delete(
        [
            path
            for path in cut_off
            if not any(path.rpartition("/")[2].startswith(f"{run_id}.") for run_id in alive)
        ]
    )
    return completed


def interrupted_same(settings: CommitSettings, inputs: Iterable[filesystem.FileInfo]) -> str | None:
    """Finds a run that was asked for the same and was interrupted while committing.

    A scheduler that gives no run id runs the same command again after a crash. What it wants is
    done once that commit is completed: to be asked for before `recover`.

    Returns:
        The id of that run, or None if there is none.
    """
    expected = set(inputs)
    for path, _ in manifest_files(settings.output):
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is None or not settings.request or intent.request != settings.request:
            continue
        if {
            filesystem.FileInfo(each.path, each.bytes) for each in intent.manifest.inputs
        } == expected:
            return intent.manifest.run_id
    return None


def check_links(settings: CommitSettings) -> None:
    """Checks the directories that a run uses, and the entries that it would find in them.

    Raises:
        ForeignPathError: One of them is a symbolic link.
        OutputError: A directory cannot be listed.
    """
    refuse_links_in(settings.output, manifest_directory(settings.output))
    for place in settings.places():
        refuse_links_in(place.root, staging_root(place.root))
        if place.files != place.root:
            refuse_links(place.root, place.files)


def _remove_staging(settings: CommitSettings) -> set[str]:
    """Removes staging that belongs to no living run, and returns the ids of those that may live."""
    alive = set()
    for root in settings.roots:
        staging = staging_root(root)
        for run_id in filesystem.list_directories(staging):
            if settings.write_mode != "append" or run_id == settings.run_id:
                remove_staging(root, run_id)
                continue
            newest = filesystem.newest_change(file_paths.join(staging, run_id))
            if newest is None:
                # Not the whole tree: its run may be about to stage its first file.
                filesystem.remove_if_empty(file_paths.join(staging, run_id))
            elif time.time() - newest > _OLD_SECONDS:
                remove_staging(root, run_id)
            else:
                alive.add(run_id)
        filesystem.remove_if_empty(staging)
    return alive


def clear_staging_of(settings: CommitSettings, mark: str) -> None:
    """Removes what a run staged and will not commit, where its commits are many.

    Args:
        settings: Where it wrote.
        mark: Stands in the names of all its commits, and in no others.
    """
    for root in settings.roots:
        for run_id in filesystem.list_directories(staging_root(root)):
            if mark in run_id:
                clear_staging(replace(settings, run_id=run_id))


def clear_staging(settings: CommitSettings) -> None:
    """Removes what this run staged and will not commit; a commit under way needs what is staged."""
    if read_intent(pending_path(settings.output, settings.run_id)) is not None:
        return
    for root in settings.roots:
        remove_staging(root, settings.run_id)
