"""Reads the manifests and intents of an output, and checks every path in them.

A manifest lists what a run committed. An intent lists what a commit is about to do. Their paths are
relative to the output, so that the output can be moved, or absolute for files outside it. Anyone
who can write to an output can put any path into them, so each path is checked when it is read.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from schemas.errors import ForeignPathError, InputError, OutputError
from schemas.manifest import CompactedRun, Manifest, OutputFile
from transforms.storage import file_paths, filesystem
from transforms.storage.containment import (
    is_below,
    list_without_links,
    refuse_foreign,
    refuse_links,
)
from transforms.storage.staging import OUTPUT_MARK, is_staging_of

PENDING = ".pending.json"
"""The end of an intent's file name."""

COMPACTION = "compact-"
"""The start of the run id of each compaction."""

_MANIFEST = ".json"
_DEAD_LETTER = "dead_letter"


class Intent(Struct):
    """The plan of a commit. Any later run can complete the commit with it.

    Attributes:
        renames: Pairs of staged and final path.
        staging: The staging directories to remove.
        manifest: The manifest to write.
        request: CommitSettings.request, by which the same command finds its interrupted run.
        ack_ids: Messages to acknowledge once the commit is completed, by subscription.
    """

    renames: list[tuple[str, str]]
    staging: list[str]
    manifest: Manifest
    request: str = ""
    ack_ids: dict[str, list[str]] = field(default_factory=dict)


def manifest_directory(output: str) -> str:
    """Returns the directory of an output's manifests and intents."""
    return file_paths.join(output, "_manifest")


def manifest_path(output: str, run_id: str) -> str:
    """Returns the path of a run's manifest."""
    return file_paths.join(manifest_directory(output), run_id + _MANIFEST)


def pending_path(output: str, run_id: str) -> str:
    """Returns the path of a run's intent."""
    return file_paths.join(manifest_directory(output), run_id + PENDING)


def relative_path(output: str, path: str) -> str:
    """Returns a path as manifests hold it: relative to the output if it is below it."""
    return path.removeprefix(output.rstrip("/") + "/")


def full_path(output: str, path: str) -> str:
    """Returns the absolute form of a manifest's path; raises ForeignPathError if it leads out."""
    if path.startswith("/") or not file_paths.is_local(path):
        return path
    full = file_paths.join(output, path)
    if not is_below(output, full):
        raise ForeignPathError(
            f"a file in {manifest_directory(output)} names {path!r}, which leads out of the "
            "output; it was left as it is",
            "correct or remove the file that names it, then run again",
        )
    return full


def manifest_files(output: str, prefix: str = "") -> list[filesystem.FileInfo]:
    """Lists manifests and intents by name prefix; raises ForeignPathError if one is a link."""
    return list_without_links(output, manifest_directory(output), prefix)


class Manifests(NamedTuple):
    """The manifests of an output at one moment, as pairs of path and manifest, sorted by path.

    Attributes:
        current: Those that count.
        replaced: Those that a committed run is about to remove.
    """

    current: list[tuple[str, Manifest]]
    replaced: list[tuple[str, Manifest]]


def all_manifests(output: str, name_part: str = "") -> Manifests:
    """Reads the manifests of an output, also while a run replaces some of them.

    With `name_part`, reads only those with this text in their file name: all commits of a stream
    or a drain have a text in common that no other run has. Raises as `read_manifest`.
    """
    found: dict[str, Manifest] = {}
    names: list[str] = []
    # A listing is not atomic. Two equal ones in turn show the output at one moment.
    while names != (names := [file.path for file in manifest_files(output)]):
        for path in names:
            if is_manifest(path) and name_part in _name(path) and path not in found:
                manifest = _read_if_exists(path)
                if manifest is not None:
                    found[path] = manifest
    listed = set(names)
    replaced = {
        full_path(output, each)
        for path, manifest in found.items()
        if path in listed and intent_of(path) in listed
        for each in manifest.replaces
    }
    sorted_found = sorted((path, found[path]) for path in listed & found.keys())
    return Manifests(
        [each for each in sorted_found if each[0] not in replaced],
        [each for each in sorted_found if each[0] in replaced],
    )


def read_manifests(output: str, name_part: str = "") -> list[tuple[str, Manifest]]:
    """Reads the manifests of an output that count, as `all_manifests` does."""
    return all_manifests(output, name_part).current


def _read_if_exists(path: str) -> Manifest | None:
    try:
        return read_manifest(path)
    except OutputError:
        # A run that replaces it may have removed it since it was listed.
        if filesystem.exists(path):
            raise
        return None


def committed_blocks(output: str, listed: Iterable[str]) -> set[str]:
    """Returns the digests of the blocks in manifests that were listed, and in compactions.

    An intent that was listed may be of a run that has been committed since.
    """
    complete = (path for path in listed if path.endswith(_MANIFEST))
    runs = {path.removesuffix(PENDING).removesuffix(_MANIFEST) for path in complete}
    found = [_read_if_exists(run + _MANIFEST) for run in runs]
    blocks = {block for manifest in found if manifest is not None for block in manifest.blocks}
    # A manifest that was removed just now is part of a compaction by now.
    return blocks.union(*(each.blocks for each in _compactions(output)))


def compacted_runs(output: str) -> dict[str, CompactedRun]:
    """Returns the runs whose manifests were replaced by compactions, by their run id."""
    return {run.run_id: run for each in _compactions(output) for run in each.runs}


def committed_run(output: str, run_id: str) -> Manifest | None:
    """Returns the manifest of a run, or None if the run is not committed.

    If a compaction has replaced it, returns one with the fields of CompactedRun only.
    """
    # In this order: a compaction writes its manifest before it removes others.
    manifest = _read_if_exists(manifest_path(output, run_id))
    if manifest is None and (run := compacted_runs(output).get(run_id)) is not None:
        return Manifest(**msgspec.structs.asdict(run))
    return manifest


class _Compaction(NamedTuple):
    blocks: frozenset[str]
    runs: list[CompactedRun]


def _compactions(output: str) -> Iterator[_Compaction]:
    for path, _ in manifest_files(output, COMPACTION):
        if is_manifest(path):
            found = _compaction(path)
            if found is not None:
                yield found


@lru_cache(maxsize=8)
def _compaction(path: str) -> _Compaction | None:
    # A stream asks at each commit. The manifest of a compaction never changes.
    manifest = _read_if_exists(path)
    if manifest is None:
        return None
    runs = [] if manifest.compaction is None else manifest.compaction.runs
    return _Compaction(frozenset(manifest.blocks), runs)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def intent_of(path: str) -> str:
    """Returns the path of the intent of the run of a manifest."""
    return path.removesuffix(_MANIFEST) + PENDING


def is_manifest(path: str) -> bool:
    """Returns whether a file in the directory of manifests is one, and not an intent."""
    return path.endswith(_MANIFEST) and not path.endswith(PENDING)


def read_manifest(path: str) -> Manifest:
    """Reads a manifest; raises ForeignPathError for a path not of its run, else OutputError."""
    try:
        manifest = Manifest.from_json(read_bytes(path))
    except msgspec.DecodeError as error:
        raise not_a_manifest(path) from error
    _check_manifest(path, manifest, _MANIFEST)
    return manifest


def not_a_manifest(path: str) -> OutputError:
    """Makes the error for a file among the manifests that is truncated, or something else."""
    return OutputError(
        f"{path} is not a manifest of job-status",
        "restore it, or remove it: without it, the files of its run belong to no run",
    )


def read_intent(path: str) -> Intent | None:
    """Reads an intent; returns None if it is missing or truncated. Raises as `read_manifest`."""
    if not filesystem.exists(path):
        return None
    try:
        intent = msgspec.json.decode(read_bytes(path), type=Intent)
    except msgspec.ValidationError as error:
        raise OutputError(
            f"{path} was written by another version of job-status",
            "run that version once more to complete its run",
        ) from error
    except msgspec.DecodeError:
        return None
    _check_manifest(path, intent.manifest, PENDING)
    _check_intent(path, intent)
    return intent


def read_bytes(path: str) -> bytes:
    """Reads a manifest or an intent as bytes; raises OutputError."""
    try:
        return filesystem.read(path)
    except InputError as error:
        raise OutputError(error.message.replace("the input ", "")) from error


# The checks. `path` is the file that holds the checked paths; the error names it.


def _check_manifest(path: str, manifest: Manifest, suffix: str) -> None:
    if _name(path) != manifest.run_id + suffix:
        raise _foreign(path, f"the run {manifest.run_id!r}")
    for file in manifest.files:
        _check_file(path, manifest.run_id, file)
    for each in manifest.replaces:
        replaced = _full_path(path, each)
        directory = manifest_directory(_output_of(path))
        if not is_manifest(replaced) or file_paths.parent(replaced) != directory:
            raise _foreign(path, repr(each))
    for each in manifest.consumed:
        _full_path(path, each)


def _check_file(path: str, run_id: str, file: OutputFile) -> None:
    """Checks that a file has a name that only its run gives, and that it is not a link.

    Dead letters may be anywhere: a later command does not know the run's --dead_letter_output.
    """
    output = _output_of(path)
    full = _full_path(path, file.path)
    directory, _, name = full.rpartition("/")
    own_id = rf"{re.escape(run_id)}({OUTPUT_MARK})?"
    own_name = rf"(job_status|dead_letter)-{own_id}-\d{{5,}}-of-\d{{5,}}\.avro"
    found = re.fullmatch(own_name, name)
    is_inside = is_below(output, full)
    is_elsewhere = file.output == _DEAD_LETTER and file_paths.normal(full) == file.path
    if found is None or found[1] != file.output or not (is_inside or is_elsewhere):
        raise _foreign(path, repr(file.path))
    refuse_links(output if is_inside else directory, full)


def _check_intent(path: str, intent: Intent) -> None:
    """Checks that an intent moves only files of its own run, from its staging directories."""
    for each in intent.staging:
        if not is_staging_of(_full_path(path, each), intent.manifest.run_id):
            raise _foreign(path, repr(each))
    for staged, _ in intent.renames:
        if file_paths.parent(staged) not in intent.staging:
            raise _foreign(path, repr(staged))
    if [final for _, final in intent.renames] != [file.path for file in intent.manifest.files]:
        raise _foreign(path, "a file that its manifest does not list")


def _full_path(path: str, named: str) -> str:
    try:
        return full_path(_output_of(path), named)
    except ForeignPathError:
        raise _foreign(path, repr(named)) from None


def _output_of(path: str) -> str:
    return file_paths.parent(file_paths.parent(path))


def _foreign(path: str, named: str) -> ForeignPathError:
    return ForeignPathError(
        f"{path} names {named}, which does not belong to its run; it was left as it is",
        f"correct or remove {path}, then run again",
    )


def own_files(output: str, roots: Sequence[str], manifest: Manifest) -> list[str]:
    """Returns the full paths of a manifest's files, for a run that deletes them.

    Raises ForeignPathError if one of them is not below `roots`, the directories of that run.
    """
    files = [full_path(output, file.path) for file in manifest.files]
    for file in files:
        refuse_foreign(roots, file)
    return files


def manifests_to_replace(output: str, roots: Sequence[str]) -> list[str]:
    """Returns the paths of an output's manifests, for a run that replaces them; as `own_files`."""
    found = read_manifests(output)
    for _, manifest in found:
        own_files(output, roots, manifest)
    return [path for path, _ in found]


def consumed_before(output: str) -> set[str]:
    """Returns the full paths of the dead letter files that were replayed into an output."""
    found = read_manifests(output)
    return {full_path(output, path) for _, manifest in found for path in manifest.consumed}


def newest_manifest(output: str) -> Manifest | None:
    """Reads the manifest that was written last, and no other one.

    Returns None if there is none, or if it cannot be read.
    """
    found = [file for file in _matched_manifests(output) if is_manifest(file.path)]
    newest = max(found, key=lambda file: (file.modified_ns or 0, file.path), default=None)
    with suppress(OutputError):
        return None if newest is None else _read_if_exists(newest.path)
    return None


def _matched_manifests(output: str) -> list[filesystem.InputFile]:
    directory = manifest_directory(output)
    if file_paths.is_local(directory):
        # A directory may have a name that is a pattern.
        directory = glob.escape(directory)
    return filesystem.match(file_paths.join(directory, "*")).files
