"""Inspects an output, one of its manifests or a file: finds the files, reads and checks them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.inspect.content import Content, content_of, first_rows
from pipeline.inspect.verify import Finding, check_counts, compare
from pipeline.report import counted
from schemas.errors import ForeignPathError, InputError, OutputError
from schemas.manifest import Manifest, OutputFile
from transforms.storage import (
    PENDING,
    Intent,
    all_manifests,
    file_paths,
    filesystem,
    full_path,
    is_below,
    manifest_directory,
    manifest_files,
    manifest_path,
    read_intent,
    refuse_links_in,
    staging_directory,
    staging_root,
)

_OUTPUTS = ("job_status", "dead_letter")
_AVRO = ".avro"


@dataclass
class Inspection:
    """The result of an inspection.

    Attributes:
        output: The output's directory, or None if no manifest belongs to the path.
        runs: The manifests by path.
        committed: The entries of the manifests by the full path of their file.
        contents: The content of the existing files, sorted by path.
        findings: The differences from what was committed.
        notes: What else is there, for people.
        rows: The first records by schema.
    """

    output: str | None
    runs: dict[str, Manifest] = field(default_factory=dict)
    committed: dict[str, OutputFile] = field(default_factory=dict)
    contents: list[Content] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class _Target(NamedTuple):
    """The files to inspect: one manifest, one part (a file or a directory), or all of the output.

    `output` is the output's directory, or None if no manifest belongs to the path.
    """

    output: str | None
    manifest: str | None = None
    part: str | None = None

    def includes(self, file: str) -> bool:
        return self.part is None or f"{file}/".startswith(f"{self.part}/")


def inspection_of(path: str, rows: int) -> Inspection:
    """Reads all files at a path and compares them with their manifests.

    Args:
        path: An output's directory, one of the directories in it, a manifest, or a file.
        rows: How many first records to keep for each schema.

    Raises:
        InputError: There is nothing to inspect.
    """
    target = _target_of(path)
    found = Inspection(target.output)
    ignored = set() if target.output is None else _read_runs(found, target.output, target)
    existing = _existing_files(found, path, target)
    # If one manifest is the target, files of other runs are left out.
    others = existing - ignored if target.manifest is None else set()
    for each in sorted(others | (existing & found.committed.keys())):
        found.contents.append(content_of(each))
    if target.part is None or target.output is None:
        found.notes += _others(target.output or path)
    if not found.contents and not found.committed:
        raise InputError(
            "; ".join([f"there is nothing to inspect at {path}", *found.notes]),
            "give the directory of an output, one of its manifests, or an Avro file",
        )
    _check(found, is_whole_run=target.part is None)
    for content in found.contents:
        kept = found.rows.setdefault(content.schema, [])
        if content.schema and len(kept) < rows:
            kept += first_rows(content.path, rows - len(kept))
    return found


def _target_of(path: str) -> _Target:
    if path.endswith(".json"):
        if not filesystem.exists(path):
            raise InputError(f"there is no manifest {path}")
        return _Target(file_paths.parent(file_paths.parent(path)), manifest=path)
    path = path.rstrip("/")
    if not path.endswith(_AVRO) and manifest_files(path):
        return _Target(path)
    directory = file_paths.parent(path) if path.endswith(_AVRO) else path
    # The files of a compaction are in folders of the directories of an output.
    for each in (directory, file_paths.parent(directory)):
        output = file_paths.parent(each)
        if each.rpartition("/")[2] in _OUTPUTS and manifest_files(output):
            return _Target(output, part=path)
    return _Target(None, part=path)


def _waits_for_acknowledgement(output: str, intent: Intent) -> bool:
    """Returns whether a commit of a stream is complete, but its messages are not acknowledged."""
    return bool(intent.ack_ids) and filesystem.exists(manifest_path(output, intent.manifest.run_id))


def _read_runs(found: Inspection, output: str, target: _Target) -> set[str]:
    """Adds the runs to inspect, and returns the files of runs that are not to be inspected."""
    only = target.manifest
    ignored: set[str] = set()
    for path, _ in manifest_files(output):
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is not None and not _waits_for_acknowledgement(output, intent):
            problem = "a run was interrupted while committing; the next run completes it"
            found.findings.append(Finding(path, problem))
            ignored.update(full_path(output, file.path) for file in intent.manifest.files)
    replaced: set[str] = set()
    try:
        manifests = all_manifests(output)
        for path, manifest in manifests.replaced:
            replaced.add(path)
            ignored.update(full_path(output, file.path) for file in manifest.files)
        for path, manifest in manifests.current:
            files = {full_path(output, file.path): file for file in manifest.files}
            if only not in (None, path):
                ignored.update(files)
                continue
            found.runs[path] = manifest
            found.committed |= {each: files[each] for each in files if target.includes(each)}
    except ForeignPathError:
        raise
    except OutputError as error:
        problem = f"cannot be used: {error.message}"
        found.findings.append(Finding(manifest_directory(output), problem))
    if only is not None and only not in found.runs and only not in replaced:
        raise InputError(f"{only} is not a manifest of an output")
    return ignored


def _existing_files(found: Inspection, path: str, target: _Target) -> set[str]:
    """Returns the existing Avro files; outside the output, only those that a manifest lists.

    Raises ForeignPathError if there is a symbolic link in the output.
    """
    output = target.output
    if path.endswith(_AVRO) and output is None:
        return {path} if filesystem.exists(path) else set()
    directories = {path, *(file_paths.join(path, name) for name in _OUTPUTS)}
    if output is not None:
        directories = {file_paths.join(output, name) for name in _OUTPUTS}
        for directory in [*directories]:
            names = filesystem.list_directories(directory)
            directories.update(file_paths.join(directory, name) for name in names)
        directories.update(file_paths.parent(each) for each in found.committed)
        for directory in directories:
            if is_below(output, directory):
                refuse_links_in(output, directory)
    files = {file.path for directory in directories for file in filesystem.list_files(directory)}
    return {
        file
        for file in files
        if file.endswith(_AVRO)
        and target.includes(file)
        and (output is None or is_below(output, file) or file in found.committed)
    }


def _described(content: Content) -> str:
    """Describes a file that no manifest lists."""
    records = counted(content.records, "record")
    run_id = content.metadata.get("run_id")
    if run_id is None:
        return f"{records} of {content.schema}, not written by job-status"
    return f"{records} of the run {run_id}, whose manifest is missing"


def _others(output: str) -> list[str]:
    """Describes staged files, and files among the committed ones that are not Avro files."""
    notes = []
    for run_id in filesystem.list_directories(staging_root(output)):
        notes.append(
            f"{staging_directory(output, run_id)} belongs to a run that is active, or was stopped "
            "before its commit; a later run removes it"
        )
    for name in _OUTPUTS:
        for file in filesystem.list_files(file_paths.join(output, name)):
            if not file.path.endswith(_AVRO):
                notes.append(f"{file.path} is not an Avro file, and belongs to no run")
    return notes


def _check(found: Inspection, is_whole_run: bool) -> None:
    by_path = {content.path: content for content in found.contents}
    found.findings += compare(found.committed, by_path)
    bad = {finding.path for finding in found.findings}
    for content in found.contents:
        if content.path in found.committed:
            continue
        if content.damage is not None:
            found.findings.append(Finding(content.path, content.damage))
        elif found.output is not None:
            problem = f"is in no manifest: {_described(content)}"
            found.findings.append(Finding(content.path, problem))
    if not is_whole_run or found.output is None:
        return
    for manifest in found.runs.values():
        paths = {full_path(found.output, file.path) for file in manifest.files}
        if not paths & bad:
            contents = [by_path[path] for path in paths if path in by_path]
            found.findings += check_counts(manifest, contents)
