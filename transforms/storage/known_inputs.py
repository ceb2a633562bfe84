"""Finds the inputs that committed runs of an output have read in their present state."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from schemas.errors import OutputError
from schemas.manifest import Input
from transforms.storage import filesystem
from transforms.storage.filesystem import InputFile
from transforms.storage.manifests import (
    full_path,
    intent_of,
    is_manifest,
    manifest_files,
    read_text,
)

_PARALLEL_READS = 16
"""Manifests that are read at the same time. On an object store, each is a request."""


class ReadBefore(NamedTuple):
    """The paths of inputs that a run has read.

    Attributes:
        unchanged: Those that a run has read in their present state, without damage.
        changed: Those that runs have read in other states only.
    """

    unchanged: set[str]
    changed: set[str]


class _Inputs(Struct):
    """The part of a manifest that this module needs; msgspec skips the rest."""

    inputs: list[Input]
    replaces: list[str] = field(default_factory=list)


class _Found(NamedTuple):
    unchanged: set[str]
    changed: set[str]
    replaces: list[str]


def read_before(output: str, files: Iterable[InputFile]) -> ReadBefore:
    """Finds those of the files that committed runs of an output have read.

    A file is in the same state if its size and the time of its last change are the same. A damaged
    file does not count as read, nor does a file whose time of change is not known.

    Raises:
        OutputError: A manifest cannot be read.
    """
    current = {file.path: file for file in files}
    found: dict[str, _Found] = {}
    # A compaction may replace manifests at the same time. It writes its own one first.
    while new := [path for path in _manifests(output) if path not in found]:
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
    return ReadBefore(unchanged, set[str]().union(*(each.changed for each in counted)) - unchanged)


def _manifests(output: str) -> list[str]:
    return [file.path for file in manifest_files(output) if is_manifest(file.path)]


def _find(path: str, current: dict[str, InputFile]) -> _Found:
    try:
        manifest = msgspec.json.decode(read_text(path), type=_Inputs)
    except msgspec.DecodeError as error:
        raise OutputError(f"{path} is not a manifest of job-status") from error
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
