"""Makes what was staged visible, whole or not at all, and completes what a killed run left.

Check the books, write down the intent, rename, check, write the manifest. Each step may be done
again after a crash, by an engine's retry or by the next run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal, NamedTuple

import msgspec

from schemas.avro import Codec, RecordName, record_schema
from schemas.counts import Counts
from schemas.errors import InputError, JobStatusError, OutputError
from schemas.manifest import Input, Manifest, OutputFile, Unmapped
from schemas.version import PIPELINE_VERSION
from transforms.blocks import Ledger, StagedFile
from transforms.storage import (
    Intent,
    consumed_before,
    file_paths,
    filesystem,
    full_path,
    manifest_at,
    manifest_path,
    manifests_to_replace,
    own_files,
    pending_path,
    read_intent,
    refuse_foreign,
    refuse_links,
    remove_staging,
    staging_directory,
    within,
)
from transforms.storage.manifests import manifests
from transforms.write.avro_file import AvroFile

WriteMode = Literal["error", "append", "overwrite"]

_MOST_NAMED = 3
_MOST_UNMAPPED = 100

_RECORDS: tuple[RecordName, ...] = ("job_status_event", "dead_letter")


class Place(NamedTuple):
    """Where one of the outputs lies.

    Attributes:
        root: Holds `_staging`.
        files: Holds the files.
        name: job_status or dead_letter.
    """

    root: str
    files: str
    name: str

    def staging(self, run_id: str) -> str:
        """Where a run stages its files."""
        return staging_directory(self.root, run_id)


@dataclass(frozen=True, slots=True)
class CommitSettings:
    """Where and how a run writes.

    Attributes:
        output: The output's directory.
        run_id: Identifies the run; part of every file's name.
        mapping_fingerprint: Of the mapping in force.
        dead_letter_output: Another directory for dead letters, or None.
        write_mode: What to do with the files of older runs.
        codec: Of the Avro files.
        target_file_bytes: A larger file is followed by another.
        keep_damaged: Whether to commit although an input is damaged.
        started_at: Seconds since 1970, for the duration in the manifest.
        request: Identifies what was asked for, whatever the run id; "" where nobody will ask.
        consumes: Whether the inputs are dead letters, each of which is run again only once.
        from_messages: Whether the input is messages: of none, nothing is committed, and of some
            without an event no file.
    """

    output: str
    run_id: str
    mapping_fingerprint: str
    dead_letter_output: str | None = None
    write_mode: WriteMode = "error"
    codec: Codec = "deflate"
    target_file_bytes: int = 256 << 20
    keep_damaged: bool = False
    started_at: float = 0.0
    request: str = ""
    is_replay: bool = False
    from_messages: bool = False

    def place(self, name: RecordName) -> Place:
        """Where the records of a kind go."""
        if name == "job_status_event":
            return Place(self.output, file_paths.join(self.output, "job_status"), "job_status")
        if self.dead_letter_output is None:
            return Place(self.output, file_paths.join(self.output, name), name)
        return Place(self.dead_letter_output, self.dead_letter_output, name)

    def places(self) -> list[Place]:
        """Where both outputs lie."""
        return [self.place(name) for name in _RECORDS]

    @property
    def roots(self) -> list[str]:
        """The directories below which everything is that a run changes."""
        return sorted({place.root for place in self.places()})


def commit(settings: CommitSettings, ledger: Ledger) -> str:
    """Commits a run.

    Args:
        settings: Where and how.
        books: Of the whole run.

    Returns:
        The path of the manifest. One that is there already is a success: the step was retried.

    Raises:
        InputError: An input is damaged, and damage was not to be accepted.
        OutputError: A file cannot be written or renamed.
        JobStatusError: The ledger does not balance; nothing becomes visible.
    """
    path = manifest_path(settings.output, settings.run_id)
    pending = pending_path(settings.output, settings.run_id)
    for each in (path, pending):
        refuse_links(settings.output, each)
    intent = read_intent(pending)
    if intent is None:
        if filesystem.exists(path):
            return path
        _check(settings, ledger)
        if not settings.from_messages and not ledger.written:
            ledger.files.append(_empty_file(settings))
        intent = _intent(settings, ledger)
        filesystem.write(pending, msgspec.json.encode(intent))
    finish(settings, intent)
    return path


def _empty_file(settings: CommitSettings) -> StagedFile:
    """A run of no events still leaves a file that readers of a pattern can open."""
    name = file_paths.join(
        settings.place("job_status_event").staging(settings.run_id), "empty.avro"
    )
    return AvroFile(
        "job_status_event", name, settings.codec, settings.run_id, settings.mapping_fingerprint
    ).close()


def _check(settings: CommitSettings, ledger: Ledger) -> None:
    damaged = {path: each.damage for path, each in sorted(ledger.inputs.items()) if each.damage}
    if damaged and not settings.keep_damaged:
        named = [f"{path}: {damage}" for path, damage in list(damaged.items())[:_MOST_NAMED]]
        more = len(damaged) - len(named)
        raise InputError(
            "damaged input, nothing was committed: "
            + "; ".join(named)
            + (f"; and {more} more" if more else ""),
            "mend or leave out the file, or use --on_damaged_input keep to take what can be read",
        )
    faults = ledger.discrepancies()
    if faults:
        raise JobStatusError(
            "the ledger does not balance, nothing was committed: "
            + "; ".join(faults[:_MOST_NAMED]),
            "this is a fault of job-status or of its engine; please report it",
        )
    if settings.write_mode == "error" and manifests(settings.output):
        raise OutputError(
            f"another run was committed to {settings.output} meanwhile; nothing was committed",
            "choose another --output, or --write_mode append or overwrite",
        )
    again = consumed_before(settings.output) if settings.is_replay else set()
    if again := again.intersection(ledger.inputs):
        raise OutputError(
            f"another run has replayed {min(again)} meanwhile; nothing was committed",
            "replay again: what is left to do is done, and what was done is skipped",
        )
    _check_staged(settings, ledger)


def _check_staged(settings: CommitSettings, ledger: Ledger) -> None:
    """What is missing now is found before anything is visible, and leaves nothing half-way."""
    sizes = _sizes(file.path for file in ledger.files)
    for file in ledger.files:
        if sizes.get(file.path) != file.bytes:
            raise OutputError(
                f"{file.path} is not there as it was staged; nothing was committed",
                "another run into the same output may have removed it; run again",
            )


def _sizes(paths: Iterable[str]) -> dict[str, int]:
    """Those of some files that are there, and their sizes in bytes.

    They are listed, since some object stores take as long to be asked for a single file; but an
    output may hold years of other files beside them, which are not to be gone through.
    """
    names: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        names.setdefault(directory, []).append(name)
    return {
        path: size
        for directory, those in names.items()
        for path, size in filesystem.list_files(directory, os.path.commonprefix(those))  # noqa: RUF071
    }


def _intent(settings: CommitSettings, ledger: Ledger) -> Intent:
    renames: list[tuple[str, str]] = []
    files: list[OutputFile] = []
    for name in _RECORDS:
        place = settings.place(name)
        staged = sorted((each for each in ledger.files if each.output == name), key=_by_path)
        for number, file in enumerate(staged):
            base = f"{place.name}-{settings.run_id}-{number:05d}-of-{len(staged):05d}.avro"
            final = file_paths.join(place.files, base)
            shown = within(settings.output, final)
            renames.append((within(settings.output, file.path), shown))
            files.append(OutputFile(shown, file.records, file.bytes, file.sha256, place.name))
    replaces = []
    if settings.write_mode == "overwrite":
        replaces = manifests_to_replace(settings.output, settings.roots)
        replaces = [within(settings.output, path) for path in replaces]
    manifest = _manifest(settings, ledger, files, replaces)
    staging = {place.staging(settings.run_id) for place in settings.places()}
    return Intent(
        renames=renames,
        staging=sorted(within(settings.output, each) for each in staging),
        manifest=manifest,
        request=settings.request,
    )


def _by_path(file: StagedFile) -> str:
    return file.path


def _manifest(
    settings: CommitSettings, ledger: Ledger, files: list[OutputFile], replaces: list[str]
) -> Manifest:
    schema = record_schema("job_status_event")
    duration = max(time.time() - settings.started_at, 0.001) if settings.started_at else 0.0
    return Manifest(
        run_id=settings.run_id,
        read=ledger.read,
        written=ledger.written,
        dead_lettered=ledger.dead_lettered,
        ignored=ledger.ignored,
        conserved=not ledger.discrepancies(),
        by_value=_sorted(ledger.by_value),
        by_source_value_type=_sorted(ledger.by_source_value_type),
        by_derivation=_sorted(ledger.by_derivation),
        by_provider=_sorted_table(ledger.by_provider),
        by_day=dict(sorted(ledger.by_day.items())),
        by_error_code=_sorted(ledger.by_error_code),
        ignored_by_type=_sorted(ledger.ignored_by_type),
        unmapped=[
            Unmapped(row.provider, row.source_value, row.count)
            for row in ledger.unmapped.top(_MOST_UNMAPPED)
        ],
        unreadable_timestamps=ledger.unreadable_timestamps,
        inputs=[
            Input(path, each.bytes, each.damage is not None)
            for path, each in sorted(ledger.inputs.items())
        ],
        files=files,
        duration_seconds=round(duration, 3),
        events_per_second=round(ledger.read / duration) if duration else 0,
        pipeline_version=PIPELINE_VERSION,
        schema_version=schema.version,
        schema_fingerprint=schema.fingerprint,
        mapping_fingerprint=settings.mapping_fingerprint,
        committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        replaces=replaces,
        consumed=[within(settings.output, path) for path in _consumed(settings, ledger)],
    )


def _consumed(settings: CommitSettings, ledger: Ledger) -> list[str]:
    """The inputs that are done with; of a damaged one there may be a whole copy somewhere."""
    if not settings.is_replay:
        return []
    return sorted(path for path, each in ledger.inputs.items() if each.damage is None)


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _sorted_table(table: dict[str, Counts]) -> dict[str, Counts]:
    by_total = sorted(table.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return {name: _sorted(counts) for name, counts in by_total}


def finish(settings: CommitSettings, intent: Intent) -> None:
    """Does what an intent says, from wherever it was left; the intent itself goes last.

    Args:
        settings: Of the run that does it, which may be a later one.
        intent: What to do.

    Raises:
        ForeignPathError: It is to change files that are not below the directories of this run.
        OutputError: A file is neither staged nor in its final place, or has another size there.
    """
    output, manifest = settings.output, intent.manifest
    pending = pending_path(output, manifest.run_id)
    staging_roots = intent.staging_roots(output)
    renames = [
        (full_path(output, path), full_path(output, final)) for path, final in intent.renames
    ]
    replaced = [full_path(output, path) for path in manifest.replaces]
    # Nothing is changed before all paths are checked.
    own_roots = settings.roots
    for root in staging_roots:
        refuse_foreign(own_roots, staging_directory(root, manifest.run_id), root)
    for path in (path for pair in renames for path in pair):
        refuse_foreign(own_roots, path)
    files_of = {
        path: own_files(output, own_roots, manifest_at(path))
        for path in replaced
        if filesystem.exists(path)
    }
    staged = _sizes(path for path, _ in renames)
    _rename([pair for pair in renames if pair[0] in staged])
    there = _sizes(final for _, final in renames)
    for (_, final), file in zip(renames, manifest.files, strict=True):
        if there.get(final) != file.bytes:
            raise OutputError(
                f"{final} is not there as it was staged: the run {manifest.run_id} cannot be "
                "completed",
                f"delete {pending} and the files of that run, then run it again",
            )
    _write_manifest(manifest_path(output, manifest.run_id), manifest)
    for root in staging_roots:
        remove_staging(root, manifest.run_id)
    for path, files in files_of.items():
        # The manifest says what the files are until they are gone.
        filesystem.delete(files)
        filesystem.delete([path])
    filesystem.delete([pending])


# Another run may be completing the same commit: what it did already is no error.


def _rename(pairs: list[tuple[str, str]]) -> None:
    try:
        filesystem.rename(pairs)
    except OutputError:
        if any(filesystem.exists(staged) for staged, _ in pairs):
            raise


def _write_manifest(path: str, manifest: Manifest) -> None:
    try:
        filesystem.write(path, manifest.to_json())
    except OutputError:
        if not filesystem.exists(path):
            raise
