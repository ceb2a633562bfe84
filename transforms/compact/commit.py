"""Commits a compaction: a manifest that replaces others, and carries on what later runs need."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import msgspec

from schemas.avro import record_schema
from schemas.counts import Counts, Tallies
from schemas.errors import JobStatusError, OutputError
from schemas.manifest import CompactedRun, Compaction, Input, Manifest, OutputFile, Unmapped
from schemas.version import PIPELINE_VERSION
from transforms.blocks import Ledger
from transforms.compact.plan import REPLAYED_FOLDER
from transforms.compact.sources import PartitionBy, Sources, commit_time
from transforms.storage import (
    COMPACTION,
    PENDING,
    consumed_before,
    file_paths,
    locked,
    manifest_files,
    read_manifests,
    relative_path,
)
from transforms.write import CommitSettings, commit_manifest

_MAX_UNMAPPED = 100


@dataclass(frozen=True)
class Replacement:
    """What a compaction replaces, as far as its commit needs it.

    Attributes:
        manifests: The full paths of the manifests, in the order of their commits.
        letters: The full paths of their files of dead letters that were not replayed.
        records: The number of records in their files that exist.
        deleted: As in Sources.
    """

    manifests: list[str]
    letters: list[str]
    records: int
    deleted: int
    partition_by: PartitionBy


def replacement_of(sources: Sources, partition_by: PartitionBy) -> Replacement:
    """Returns what a compaction of these sources replaces."""
    return Replacement(
        [path for path, _ in sources.manifests],
        [f.path for f in sources.files if f.record == "dead_letter" and not f.replayed],
        sources.records,
        sources.deleted,
        partition_by,
    )


def commit_compaction(settings: CommitSettings, replacement: Replacement, ledger: Ledger) -> str:
    """Commits a compaction, and returns the path of its manifest.

    Raises:
        OutputError: Another run has replaced a manifest or replayed dead letters since the
            compaction began, or a file cannot be written. Nothing is changed.
        JobStatusError: The counts do not balance. Nothing is changed.
    """

    def manifest(files: list[OutputFile]) -> Manifest:
        replaced = _still_there(settings, replacement)
        made = manifest_of_compaction(settings, replacement, replaced, ledger, files)
        if not all(check.holds for check in made.balance()):
            raise JobStatusError(
                "the counts of the compaction do not balance, nothing was changed",
                "this is a fault of job-status or of its runner; please report it",
            )
        return made

    def check() -> None:
        found = ledger.written + ledger.dead_lettered + ledger.duplicates
        if found != replacement.records:
            raise JobStatusError(
                f"the compaction found {found:,} of {replacement.records:,} records, nothing was "
                "changed",
                "this is a fault of job-status or of its runner; please report it",
            )

    return commit_manifest(settings, ledger, manifest, check, locked(settings.output))


def _still_there(settings: CommitSettings, replacement: Replacement) -> list[tuple[str, Manifest]]:
    """Returns the manifests to replace. Raises OutputError if another run has changed them."""
    output = settings.output
    own = file_paths.join("", settings.run_id)
    found = dict(read_manifests(output))
    is_committing = any(
        path.endswith(PENDING) and not path.endswith(own + PENDING)
        for path, _ in manifest_files(output, COMPACTION)
    )
    if is_committing or not all(path in found for path in replacement.manifests):
        raise OutputError(
            f"another run has replaced files of {output} meanwhile; nothing was changed",
            "if there is still something to compact, run it again",
        )
    if replayed := set(replacement.letters) & consumed_before(output):
        raise OutputError(
            f"a replay has read {min(replayed)} meanwhile; nothing was changed", "compact again"
        )
    return [(path, found[path]) for path in replacement.manifests]


def manifest_of_compaction(
    settings: CommitSettings,
    replacement: Replacement,
    replaced: list[tuple[str, Manifest]],
    ledger: Ledger,
    files: list[OutputFile],
) -> Manifest:
    """Returns the manifest of a compaction.

    Args:
        settings: Those of the compaction.
        replacement: What it replaces.
        replaced: The manifests that it replaces, in the order of their commits.
        ledger: The counts of the records that it keeps.
        files: Its files.
    """
    output = settings.output
    old = [manifest for _, manifest in replaced]
    schema = record_schema("job_status_event")
    duration = max(time.time() - settings.started_at, 0.001)
    return Manifest(
        run_id=settings.run_id,
        **_tallies(old, ledger, replacement.deleted),
        conserved=all(manifest.conserved for manifest in old),
        unmapped=[
            Unmapped(row.provider, row.source_value, row.count)
            for row in ledger.unmapped.top(_MAX_UNMAPPED)
        ],
        providers_without_table=_providers_without_table(old, ledger),
        inputs=_inputs(old),
        files=files,
        duration_seconds=round(duration, 3),
        events_per_second=round(replacement.records / duration),
        pipeline_version=PIPELINE_VERSION,
        schema_version=schema.version,
        schema_fingerprint=schema.fingerprint,
        mapping_fingerprint=settings.mapping_fingerprint,
        committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        replaces=[relative_path(output, path) for path, _ in replaced],
        consumed=_consumed(output, old, files),
        blocks=sorted({block for manifest in old for block in manifest.blocks}),
        compaction=Compaction(
            replacement.partition_by,
            max(map(commit_time, old)).isoformat(timespec="seconds"),
            _runs(old),
        ),
    )


def _tallies(old: list[Manifest], ledger: Ledger, deleted: int) -> dict[str, Any]:
    """Returns the counts of the kept records, and the sums of what no record shows."""
    sums = Tallies()
    for manifest in old:
        sums.add_tallies(manifest)
    return {name: getattr(ledger, name) for name in Tallies.__struct_fields__} | {
        "read": sums.read,
        "ignored": sums.ignored,
        "ignored_by_type": sums.ignored_by_type,
        "unreadable_timestamps": sums.unreadable_timestamps,
        "unreadable_by_field": sums.unreadable_by_field,
        "assumed_timezone": sums.assumed_timezone,
        "duplicates": sums.duplicates + ledger.duplicates,
        "deleted": sums.deleted + deleted,
    }


def _providers_without_table(old: list[Manifest], ledger: Ledger) -> Counts:
    names = {name for manifest in old for name in manifest.providers_without_table}
    counts = {name: sum(ledger.by_provider.get(name, {}).values()) for name in names}
    return {name: count for name, count in counts.items() if count}


def _inputs(old: list[Manifest]) -> list[Input]:
    # The same input of several runs counts once for each of its states.
    found = {msgspec.json.encode(each): each for manifest in old for each in manifest.inputs}
    return list(found.values())


def _consumed(output: str, old: list[Manifest], files: list[OutputFile]) -> list[str]:
    gone = {file.path for manifest in old for file in manifest.files}
    kept = {path for manifest in old for path in manifest.consumed} - gone
    return sorted(kept | {file.path for file in files if f"/{REPLAYED_FOLDER}/" in file.path})


def _runs(old: list[Manifest]) -> list[CompactedRun]:
    runs: list[CompactedRun] = []
    for manifest in old:
        if manifest.compaction is not None:
            runs += manifest.compaction.runs
        elif not manifest.blocks:
            names = CompactedRun.__struct_fields__
            runs.append(CompactedRun(*(getattr(manifest, name) for name in names)))
    return runs
