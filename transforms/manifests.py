"""Where an output keeps what was committed and what is about to be, and how they are read.

A manifest says what a run committed, an intent what a commit is about to do. Both hold paths that
are relative to the output, or in full where they lie outside it, so that an output can be moved.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from schemas.errors import InputError, OutputError
from schemas.manifest import Manifest
from transforms import file_paths, storage

PENDING = ".pending.json"
"""How the name of an intent ends."""


class Intent(Struct):
    """What a commit is about to do: enough to finish it without the run.

    Attributes:
        renames: From staged to final.
        staging: Directories that are done with afterwards.
        manifest: What to write at the end.
        request: As in the settings: the same command, run again, finds its run by it.
    """

    renames: list[tuple[str, str]]
    staging: list[str]
    manifest: Manifest
    request: str = ""


def manifest_directory(output: str) -> str:
    """Where an output keeps its manifests."""
    return file_paths.join(output, "_manifest")


def manifest_path(output: str, run_id: str) -> str:
    """Where the manifest of a bounded run lies."""
    return file_paths.join(manifest_directory(output), f"{run_id}.json")


def pending_path(output: str, run_id: str) -> str:
    """Where the intent of a bounded run lies."""
    return file_paths.join(manifest_directory(output), run_id + PENDING)


def read_intent(path: str) -> Intent | None:
    """Reads an intent; None where there is none, or one that was cut off while it was written.

    Raises:
        OutputError: It cannot be read, or is not as this version writes it.
    """
    if not storage.exists(path):
        return None
    try:
        return msgspec.json.decode(_read(path), type=Intent)
    except msgspec.ValidationError as error:
        raise OutputError(
            f"{path} was written by another version of job-status",
            "run that version once more to complete its run",
        ) from error
    except msgspec.DecodeError:
        return None


def within(output: str, path: str) -> str:
    """A path as an intent or a manifest holds it."""
    return path.removeprefix(output.rstrip("/") + "/")


def full_path(output: str, path: str) -> str:
    """Where a file of an intent or a manifest lies."""
    is_full = path.startswith("/") or not file_paths.is_local(path)
    return path if is_full else file_paths.join(output, path)


def manifests(output: str) -> list[tuple[str, Manifest]]:
    """The manifests of an output with their paths, in the order of their names.

    Raises:
        OutputError: One of them cannot be read.
    """
    return [
        (file.path, manifest_at(file.path))
        for file in storage.list_files(manifest_directory(output))
        if file.path.endswith(".json") and not file.path.endswith(PENDING)
    ]


def manifests_of(output: str, mark: str) -> list[Manifest]:
    """The manifests of a run that committed many times.

    Args:
        output: Where they are.
        mark: Stands in the names of all its commits, and in no others.
    """
    return [
        manifest_at(file.path)
        for file in storage.list_files(manifest_directory(output))
        if mark in file.path.rpartition("/")[2] and not file.path.endswith(PENDING)
    ]


def manifest_at(path: str) -> Manifest:
    """Reads a manifest.

    Raises:
        OutputError: It cannot be read, or is none.
    """
    try:
        return Manifest.from_json(_read(path))
    except msgspec.DecodeError as error:
        raise OutputError(f"{path} is not a manifest of job-status") from error


def _read(path: str) -> bytes:
    try:
        return storage.read(path)
    except InputError as error:
        raise OutputError(error.message.replace("the input ", "")) from error


def consumed_before(output: str) -> set[str]:
    """The dead letter files, in full, that runs into an output have run again."""
    found = manifests(output)
    return {full_path(output, path) for _, manifest in found for path in manifest.consumed}
