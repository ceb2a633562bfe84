"""Where runs stage their files: a directory for each run, in each root of an output."""

from __future__ import annotations

from transforms.storage import file_paths, filesystem
from transforms.storage.containment import refuse_links


def staging_root(root: str) -> str:
    """Where the staging directories of all runs lie."""
    return file_paths.join(root, "_staging")


def staging_directory(root: str, run_id: str) -> str:
    """Where a run stages its files."""
    return file_paths.join(staging_root(root), run_id)


def remove_staging(root: str, run_id: str) -> None:
    """Removes what a run staged, but never through a symbolic link.

    Raises:
        ForeignPathError: There is a link on the way.
        OutputError: Something is still there that could not be deleted.
    """
    directory = staging_directory(root, run_id)
    refuse_links(root, directory)
    # An object store takes a path for a directory only where it ends like one.
    filesystem.delete([f"{directory}/"])
    filesystem.remove_if_empty(staging_root(root))
