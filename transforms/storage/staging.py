"""Staging directories: each run has one in each root of an output.

Several outputs may have one directory of dead letters. There, a mark after the id of a run shows
the output: runs of two outputs may have the same id, and no output touches what another has staged.
"""

from __future__ import annotations

import hashlib
import re

from transforms.storage import file_paths, filesystem
from transforms.storage.containment import refuse_links

OUTPUT_MARK = r"\.[0-9a-f]{12}"
"""The form of a mark. Run ids have no dot."""


def output_mark(output: str) -> str:
    """Returns the mark of an output, a digest of its path."""
    path = output.rstrip("/").encode()
    return f".{hashlib.blake2b(path, digest_size=6).hexdigest()}"


def staging_root(root: str) -> str:
    """Returns the directory that holds the staging directories of all runs."""
    return file_paths.join(root, "_staging")


def staging_directory(root: str, run_id: str, mark: str = "") -> str:
    """Returns the staging directory of a run; `mark` is that of its output, or ""."""
    return file_paths.join(staging_root(root), run_id + mark)


def is_staging_of(directory: str, run_id: str) -> bool:
    """Returns whether a path is that of a staging directory of a run."""
    all_runs, _, name = directory.rpartition("/")
    is_name = re.fullmatch(f"{re.escape(run_id)}({OUTPUT_MARK})?", name) is not None
    return is_name and all_runs.endswith(staging_root(""))


def run_of_staging(name: str, mark: str) -> str | None:
    """Returns the run of a staging directory by its name; None if it has another mark."""
    run_id, dot, digest = name.partition(".")
    return run_id if dot + digest == mark else None


def remove_staging(directory: str) -> None:
    """Deletes the staged files of a run; raises ForeignPathError if a link leads to them."""
    all_runs = file_paths.parent(directory)
    refuse_links(file_paths.parent(all_runs), directory)
    # An object store deletes everything below a path only if the path ends with a slash.
    filesystem.delete([f"{directory}/"])
    filesystem.remove_if_empty(all_runs)
