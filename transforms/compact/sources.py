"""Finds what a compaction rewrites: the manifests that are old enough, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import Struct

from schemas.avro import RecordName
from schemas.manifest import Manifest
from transforms.compact.committed_files import SourceFile
from transforms.storage import (
    PENDING,
    consumed_before,
    filesystem,
    manifest_files,
    own_files,
    read_manifests,
)

PartitionBy = Literal["day", "none"]

_TASK_BYTES = 64 << 20
_TASK_FILES = 500

_RECORDS: dict[str, RecordName] = {
    "job_status": "job_status_event",
    "dead_letter": "dead_letter",
}


class Task(Struct, array_like=True):
    """Some files that one worker reads, consecutive in the order of commits."""

    number: int
    files: list[SourceFile]


@dataclass(frozen=True)
class Sources:
    """What a compaction rewrites.

    Attributes:
        manifests: The manifests, in the order of their commits, with their paths.
        files: Their files. Replayed dead letters come first, so that of equal letters one that was
            replayed stays; all others in the order of the commits.
        deleted: Dead letters whose file was deleted after it had been replayed.
    """

    manifests: list[tuple[str, Manifest]]
    files: list[SourceFile]
    deleted: int

    @property
    def records(self) -> int:
        """The number of records in the files."""
        return sum(file.records for file in self.files)

    @property
    def bytes(self) -> int:
        """The size of the files."""
        return sum(file.bytes for file in self.files)

    def is_compact(self, partition_by: PartitionBy) -> bool:
        """Returns whether there is nothing to compact."""
        if len(self.manifests) > 1:
            return False
        of_compactions = [each.compaction for _, each in self.manifests]
        return all(each and each.partition_by == partition_by for each in of_compactions)

    def tasks(self) -> list[Task]:
        """Divides the files among workers."""
        tasks: list[Task] = []
        size = 0
        for file in self.files:
            if not tasks or size >= _TASK_BYTES or len(tasks[-1].files) >= _TASK_FILES:
                tasks.append(Task(len(tasks), []))
                size = 0
            tasks[-1].files.append(file)
            size += file.bytes
        return tasks


def find_sources(output: str, roots: list[str], before: datetime) -> Sources:
    """Finds the manifests of an output that were committed before a time, and their files.

    The manifest of a compaction counts by the newest manifest that it replaced. A run that is still
    committing is left out.

    Args:
        output: The output.
        roots: The directories that the compaction may change.
        before: The time, with its zone.

    Raises:
        ForeignPathError: A file is in another directory.
        OutputError: A manifest cannot be read.
    """
    pending = {path.removesuffix(PENDING) for path, _ in manifest_files(output)}
    found = [
        (path, manifest)
        for path, manifest in read_manifests(output)
        if path.removesuffix(".json") not in pending and commit_time(manifest) <= before
    ]
    found.sort(key=lambda each: (commit_time(each[1]), each[0]))
    consumed = consumed_before(output)
    files = [
        SourceFile(0, path, _RECORDS[file.output], file.records, file.bytes, file.sha256, False)
        for _, manifest in found
        for path, file in zip(own_files(output, roots, manifest), manifest.files, strict=True)
    ]
    for file in files:
        file.replayed = file.record == "dead_letter" and file.path in consumed
    gone = {f.path: f.records for f in files if f.replayed and not filesystem.exists(f.path)}
    kept = [file for file in files if file.path not in gone]
    kept.sort(key=lambda file: not file.replayed)
    for number, file in enumerate(kept):
        file.number = number
    return Sources(found, kept, sum(gone.values()))


def commit_time(manifest: Manifest) -> datetime:
    """Returns when the records of a manifest were committed, at the latest."""
    compaction = manifest.compaction
    return datetime.fromisoformat(compaction.newest if compaction else manifest.committed_at)
