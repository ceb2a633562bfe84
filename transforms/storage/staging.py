"""Staging directories: each run has one in each root of an output."""

from __future__ import annotations

from transforms.storage import file_paths, filesystem
from transforms.storage.containment import refuse_links


def staging_root(root: str) -> str:
    """Returns the directory that holds the staging directories of all runs."""
    return file_paths.join(root, "_staging")


def staging_directory(root: str, run_id: str) -> str:
    """Returns the staging directory of a run."""
    return file_paths.join(staging_root(root), run_id)


def remove_staging(root: str, run_id: str) -> None:
    """Deletes the staged files of a run; raises ForeignPathError if a link leads to them."""
    directory = staging_directory(root, run_id)
    refuse_links(root, directory)
    # An object store deletes everything below a path only if the path ends with a slash.
    filesystem.delete([f"{directory}/"])
    filesystem.remove_if_empty(staging_root(root))
