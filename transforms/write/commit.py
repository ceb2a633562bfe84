"""Commits staged files: all of them become visible, or none.

The protocol: check the ledger, write the intent, rename the files, verify them, write the manifest,
remove the intent. The intent of messages is removed by Acknowledge, once they are acknowledged.
Every step can be repeated after a crash, by a retry of the runner or by the next run.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from schemas.avro import RECORD_NAMES
from schemas.errors import InputError, JobStatusError, OutputError
from schemas.manifest import Manifest, OutputFile
from transforms.blocks import Ledger, PendingAcks, StagedFile
from transforms.storage import (
    COMPACTION,
    PENDING,
    Intent,
    consumed_before,
    file_paths,
    filesystem,
    full_path,
    locked,
    manifest_files,
    manifest_path,
    manifests_to_replace,
    own_files,
    pending_path,
    plan_path,
    read_before,
    read_intent,
    read_manifest,
    read_manifests,
    read_plan,
    refuse_foreign,
    refuse_links,
    relative_path,
    remove_staging,
    sizes_of,
)
from transforms.write.avro_file import AvroFile
from transforms.write.manifest_of import manifest_of
from transforms.write.settings import CommitSettings

beginning = threading.Lock()
"""Held while the commit of a run begins, and while staged files are removed: an intent without its
files cannot be completed."""

_MAX_ACK_ID_BYTES = 8_000_000
"""Bytes of ack ids that an intent keeps, some 40,000. It is written for each commit, and read only
after a crash. Other messages are delivered again then."""

_MAX_NAMED = 3
"""Number of inputs or discrepancies that an error names."""


class WithdrawnError(OutputError):
    """A commit was undone, as files that it needs are gone."""


def commit(settings: CommitSettings, ledger: Ledger) -> str:
    """Commits the run of a ledger, and returns the path of its manifest.

    If the run is committed already, the runner has retried the step: that is a success.

    Raises:
        InputError: An input is damaged, and the settings do not accept that.
        OutputError: A file cannot be written or renamed.
        JobStatusError: The ledger does not balance; nothing becomes visible.
    """

    def manifest(files: list[OutputFile]) -> Manifest:
        _check_other_runs(settings, ledger)
        replaced: list[str] = []
        if settings.write_mode == "overwrite":
            _complete_compaction(settings)
            replaced = manifests_to_replace(settings.output, settings.roots)
        replaces = [relative_path(settings.output, path) for path in replaced]
        return manifest_of(settings, ledger, files, replaces)

    def check() -> None:
        _check_inputs(settings, ledger)
        _check_balance(ledger)

    depends_on_others = settings.is_replay or settings.write_mode == "overwrite"
    lock = locked(settings.output) if depends_on_others else nullcontext()
    return commit_manifest(settings, ledger, manifest, check, lock)


def commit_manifest(
    settings: CommitSettings,
    ledger: Ledger,
    manifest: Callable[[list[OutputFile]], Manifest],
    check: Callable[[], None],
    lock: AbstractContextManager[Any],
) -> str:
    """Commits staged files under a manifest, as `commit` does.

    Args:
        settings: Where to write.
        ledger: Lists the staged files.
        manifest: Returns the manifest for the files in their final places. Raises OutputError if
            another run is in the way.
        check: Raises JobStatusError if the ledger cannot be committed.
        lock: Held from the call of `manifest` until the intent is written.
    """
    path = manifest_path(settings.output, settings.run_id)
    pending = pending_path(settings.output, settings.run_id)
    for each in (path, pending):
        refuse_links(settings.output, each)
    intent = read_intent(pending)
    if intent is None:
        if filesystem.exists(path):
            return path
        check()
        if not settings.from_messages and not ledger.written:
            ledger.files.append(_empty_file(settings))
        with lock, beginning:
            intent = _intent(settings, ledger, manifest)
            _check_staged(ledger)
            filesystem.write(pending, msgspec.json.encode(intent))
    finish(settings, intent, keep_intent=bool(intent.ack_ids))
    return path


def _check_inputs(settings: CommitSettings, ledger: Ledger) -> None:
    damaged = [
        f"{path}: {each.damage}" for path, each in sorted(ledger.inputs.items()) if each.damage
    ]
    if damaged and not settings.keep_damaged:
        more = len(damaged) - _MAX_NAMED
        named = "; ".join(damaged[:_MAX_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(
            f"input that cannot be read, nothing was committed: {named}",
            "repair or leave out the file, or use --on_damaged_input keep to take what can be read",
        )


def _check_balance(ledger: Ledger) -> None:
    discrepancies = ledger.discrepancies()
    if discrepancies:
        named = "; ".join(discrepancies[:_MAX_NAMED])
        raise JobStatusError(
            f"the ledger does not balance, nothing was committed: {named}",
            "this is a fault of job-status or of its runner; please report it",
        )


def _check_other_runs(settings: CommitSettings, ledger: Ledger) -> None:
    """Checks that no other run committed since this run started, if that would be a conflict."""
    if settings.write_mode == "error" and read_manifests(settings.output):
        raise OutputError(
            f"another run was committed to {settings.output} meanwhile; nothing was committed",
            "choose another --output, or --write_mode append or overwrite",
        )
    consumed = consumed_before(settings.output) if settings.is_replay else set()
    if again := consumed.intersection(ledger.inputs):
        raise OutputError(
            f"another run has replayed {min(again)} meanwhile; nothing was committed",
            "replay again: it skips the files that were replayed already",
        )
    if settings.is_replay and (gone := [p for p in ledger.inputs if not filesystem.exists(p)]):
        raise OutputError(
            f"a compaction has rewritten {gone[0]} meanwhile; nothing was committed",
            "replay again: it reads the new files",
        )
    if settings.skip_read:
        files = [
            filesystem.InputFile(path, each.bytes, each.modified_ns)
            for path, each in ledger.inputs.items()
        ]
        plan = plan_path(settings.output, settings.run_id)
        known = read_plan(plan).manifests if filesystem.exists(plan) else []
        if read := read_before(settings.output, files, known).unchanged:
            raise OutputError(
                f"another run has read {min(read)} meanwhile; nothing was committed",
                "run again: it skips the files that were read already",
            )


def _check_staged(ledger: Ledger) -> None:
    """Checks the staged files while nothing is visible yet."""
    sizes = sizes_of(file.path for file in ledger.files)
    for file in ledger.files:
        if sizes.get(file.path) != file.bytes:
            raise OutputError(
                f"{file.path} is missing or has another size than staged; nothing was committed",
                "another run into the same output may have removed it; run again",
            )


def _complete_compaction(settings: CommitSettings) -> None:
    """Completes a compaction that is committing: it removes manifests, and writes another one."""
    for path, _ in manifest_files(settings.output, COMPACTION):
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is not None:
            finish(settings, intent)


def _empty_file(settings: CommitSettings) -> StagedFile:
    """Stages a file without records, so that readers of a pattern find one to open."""
    staging = settings.place("job_status_event").staging(settings.run_id)
    path = file_paths.join(staging, "empty.avro")
    return AvroFile("job_status_event", path, settings).close()


def _intent(
    settings: CommitSettings, ledger: Ledger, manifest: Callable[[list[OutputFile]], Manifest]
) -> Intent:
    output = settings.output
    renames: list[tuple[str, str]] = []
    files: list[OutputFile] = []
    for record in RECORD_NAMES:
        place = settings.place(record)
        staged = [file for file in ledger.files if file.output == record]
        staged.sort(key=lambda file: (file.folder, file.path))
        for number, file in enumerate(staged):
            run_id = settings.run_id + place.mark
            name = f"{place.name}-{run_id}-{number:05d}-of-{len(staged):05d}.avro"
            folder = file_paths.join(place.files, file.folder) if file.folder else place.files
            final = relative_path(output, file_paths.join(folder, name))
            renames.append((relative_path(output, file.path), final))
            files.append(OutputFile(final, file.records, file.bytes, file.sha256, place.name))
    staging = {relative_path(output, p.staging(settings.run_id)) for p in settings.places()}
    ack_ids = _ack_ids(ledger.pending_acks)
    return Intent(renames, sorted(staging), manifest(files), settings.request, ack_ids)


def _ack_ids(pending_acks: Iterable[PendingAcks]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    size = 0
    for each in pending_acks:
        if not each.ack_ids:
            continue
        size += sum(map(len, each.ack_ids))
        if size > _MAX_ACK_ID_BYTES:
            break
        found[each.subscription] += each.ack_ids
    return found


def finish(settings: CommitSettings, intent: Intent, *, keep_intent: bool = False) -> None:
    """Carries out an intent, and removes it last. Steps that are done already are skipped.

    The settings may be those of a later run. With `keep_intent` it is not removed.

    Raises:
        ForeignPathError: The intent would change files that are not below the run's directories.
        WithdrawnError: A file was removed before the run was committed. Nothing of the run stays.
        OutputError: A file is missing although the run was committed, or has another size.
    """
    output, manifest, places = settings.output, intent.manifest, settings.places()
    pending = pending_path(output, manifest.run_id)
    staging = [full_path(output, each) for each in intent.staging]
    renames = [(full_path(output, old), full_path(output, new)) for old, new in intent.renames]
    replaced = [full_path(output, path) for path in manifest.replaces]
    own_roots = settings.roots
    # Check all paths before the first change.
    for directory in staging:
        root = file_paths.parent(file_paths.parent(directory))
        refuse_foreign(own_roots, directory, root)
    for path in (path for pair in renames for path in pair):
        refuse_foreign(own_roots, path)
    if manifest.compaction is not None:
        _check_compaction(output, intent, replaced)
    files_of = {
        path: own_files(output, own_roots, read_manifest(path))
        for path in replaced
        if filesystem.exists(path)
    }
    staged = sizes_of(path for path, _ in renames)
    _rename([pair for pair in renames if pair[0] in staged])
    _verify(settings.output, manifest, [final for _, final in renames])
    _write_manifest(manifest_path(output, manifest.run_id), manifest)
    for directory in staging:
        remove_staging(directory)
    # The manifests go last: until then they list the files that are left.
    files = [file for those in files_of.values() for file in those]
    filesystem.delete(files)
    for directory in {file_paths.parent(file) for file in files} - {p.files for p in places}:
        filesystem.remove_if_empty(directory)
    filesystem.delete(list(files_of))
    if not keep_intent:
        filesystem.delete([pending])


def _check_compaction(output: str, intent: Intent, replaced: list[str]) -> None:
    """Undoes a compaction if another run has replaced the same manifests before it was committed.

    Only on an object store, which has no locks, can two of them have an intent at the same time.
    """
    run_id = intent.manifest.run_id
    is_changed = not all(filesystem.exists(path) for path in replaced)
    # In this order: another process may complete this compaction, and removes manifests last.
    if is_changed and not filesystem.exists(manifest_path(output, run_id)):
        paths = [full_path(output, path) for pair in intent.renames for path in pair]
        filesystem.delete([*paths, pending_path(output, run_id)])
        raise WithdrawnError(
            f"another run has replaced files of {output} meanwhile; nothing was changed",
            "if there is still something to compact, run it again",
        )


# Another run may be completing the same commit. If it did a step first, that is not an error.


def _rename(pairs: list[tuple[str, str]]) -> None:
    try:
        filesystem.rename(pairs)
    except OutputError:
        if any(filesystem.exists(staged) for staged, _ in pairs):
            raise


def _verify(output: str, manifest: Manifest, finals: list[str]) -> None:
    pending = pending_path(output, manifest.run_id)
    sizes = sizes_of(finals)
    is_committed = filesystem.exists(manifest_path(output, manifest.run_id))
    if len(sizes) < len(finals) and not is_committed:
        filesystem.delete([*sizes, pending])
        raise WithdrawnError(
            f"staged files of the run {manifest.run_id} are gone; it was not committed",
            "run it again; a stream gets its messages again",
        )
    for final, file in zip(finals, manifest.files, strict=True):
        if sizes.get(final) != file.bytes:
            raise OutputError(
                f"{final} is missing or has another size than staged: the run {manifest.run_id} "
                "cannot be completed",
                f"delete {pending} and the files of that run, then run it again",
            )


def _write_manifest(path: str, manifest: Manifest) -> None:
    try:
        filesystem.write(path, manifest.to_json())
    except OutputError:
        if not filesystem.exists(path):
            raise
