"""Finds the inputs that committed runs of an output have read in their present state."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from schemas.errors import OutputError
from schemas.manifest import Input
from transforms.storage import file_paths, filesystem
from transforms.storage.filesystem import InputFile
from transforms.storage.manifests import (
    full_path,
    intent_of,
    is_manifest,
    manifest_files,
    not_a_manifest,
    read_bytes,
)
from transforms.storage.staging import staging_directory

_PARALLEL_READS = 16
"""Manifests that are read at the same time. On an object store, each is a request."""


class ReadBefore(NamedTuple):
    """The paths of inputs that a run has read.

    Attributes:
        unchanged: Those that a run has read in their present state, without damage.
        changed: Those that runs have read in other states only.
        manifests: The manifests that show it.
    """

    unchanged: set[str]
    changed: set[str]
    manifests: list[str]


class InputPlan(Struct, array_like=True):
    """The inputs of a run that skips what earlier runs have read, as found at its start.

    The start is the only step that searches them: their number has no limit, and so has the number
    of manifests. So they are passed on in a staged file, not in the graph.

    Attributes:
        files: The files to read.
        skipped: Number of files that earlier runs have read.
        changed: Number of files that have changed since earlier runs read them.
        manifests: The manifests of the earlier runs.
    """

    files: list[InputFile]
    skipped: int
    changed: int
    manifests: list[str]


class _Inputs(Struct):
    """The part of a manifest that this module needs; msgspec skips the rest."""

    inputs: list[Input]
    replaces: list[str] = field(default_factory=list)


class _Found(NamedTuple):
    unchanged: set[str]
    changed: set[str]
    replaces: list[str]


def read_before(output: str, files: Iterable[InputFile], known: Iterable[str] = ()) -> ReadBefore:
    """Finds those of the files that committed runs of an output have read.

    A file is in the same state if its size and the time of its last change are the same. A damaged
    file does not count as read, nor does a file whose time of change is not known.

    Args:
        output: The output.
        files: The files.
        known: Manifests that are left out. They never change.

    Raises:
        OutputError: A manifest cannot be read.
    """
    current = {file.path: file for file in files}
    found: dict[str, _Found] = {}
    left_out = set(known)
    # A compaction may replace manifests at the same time. It writes its own one first.
    while new := [path for path in _manifests(output) if path not in found.keys() | left_out]:
        with ThreadPoolExecutor(_PARALLEL_READS) as threads:
            found |= zip(new, threads.map(lambda path: _find(path, current), new), strict=True)
    replaced = {
        full_path(output, path)
        for run, each in found.items()
        if each.replaces and filesystem.exists(intent_of(run))
        for path in each.replaces
    }
    counted = [each for path, each in found.items() if path not in replaced]
    unchanged = set[str]().union(*(each.unchanged for each in counted))
    changed = set[str]().union(*(each.changed for each in counted)) - unchanged
    return ReadBefore(unchanged, changed, list(found))


def plan_path(output: str, run_id: str) -> str:
    """Returns the path of the plan of a run."""
    return file_paths.join(staging_directory(output, run_id), "inputs.json")


def write_plan(path: str, plan: InputPlan) -> None:
    """Stages a plan; raises OutputError."""
    filesystem.write(path, msgspec.json.encode(plan))


def read_plan(path: str) -> InputPlan:
    """Reads a plan; raises OutputError."""
    return msgspec.json.decode(read_bytes(path), type=InputPlan)


def _manifests(output: str) -> list[str]:
    return [file.path for file in manifest_files(output) if is_manifest(file.path)]


def _find(path: str, current: dict[str, InputFile]) -> _Found:
    try:
        manifest = msgspec.json.decode(read_bytes(path), type=_Inputs)
    except msgspec.DecodeError as error:
        raise not_a_manifest(path) from error
    except OutputError:
        if filesystem.exists(path):
            raise
        return _Found(set(), set(), [])
    unchanged, changed = set(), set()
    for each in manifest.inputs:
        file = current.get(each.path)
        if file is None or each.damaged or each.modified_ns is None:
            continue
        if each.bytes == file.size and each.modified_ns == file.modified_ns:
            unchanged.add(file.path)
        else:
            changed.add(file.path)
    return _Found(unchanged, changed, manifest.replaces)
