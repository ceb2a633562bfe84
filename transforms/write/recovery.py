"""Completes or removes what interrupted runs left in an output, before a new run starts."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from transforms.storage import (
    PENDING,
    filesystem,
    manifest_directory,
    manifest_files,
    pending_path,
    read_intent,
    refuse_links,
    refuse_links_in,
    remove_staging,
    staging_root,
)
from transforms.write.commit import WithdrawnError, beginning, finish
from transforms.write.owner import OwnedStaging
from transforms.write.settings import CommitSettings, Place

_LOGGER = logging.getLogger(__name__)

_BEGINNING_SECONDS = 5.0

_PART = ".part"
"""The end of the name of a small local file that is incomplete."""


def recover(
    settings: CommitSettings, committed: Callable[[str, list[str]], object] = lambda *_: None
) -> list[str]:
    """Completes the commits that have an intent, and removes what no run will commit.

    What an active run has staged stays, also if that run has the id of `settings`.
    A commit whose staged files are gone cannot be completed. It is undone, and logged.

    Calls `committed` with the messages of each completed commit, as a subscription and ack ids.
    Returns the ids of the runs whose commit was completed.

    Raises:
        ForeignPathError: A link or an intent leads out of the output.
        OutputError: A commit cannot be completed.
    """
    check_links(settings)
    completed, truncated = [], []
    for path, _ in manifest_files(settings.output):
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is not None:
            try:
                finish(settings, intent)
                completed.append(intent.manifest.run_id)
                for subscription, ack_ids in intent.ack_ids.items():
                    committed(subscription, ack_ids)
            except WithdrawnError as error:
                _LOGGER.warning("%s", error.message)
        elif path.endswith((PENDING, _PART)):
            truncated.append(path)
    _remove_leftovers(settings, truncated, set(completed))
    return completed


def begun_ack_ids(output: str, id_part: str) -> Iterator[tuple[str, list[str]]]:
    """Yields the messages of the interrupted commits whose run ids hold `id_part`.

    They are pairs of a subscription and ack ids. `recover` completes these commits in the next
    start. Raises as `recover`.
    """
    for path, _ in manifest_files(output):
        if path.endswith(PENDING) and id_part in path.rpartition("/")[2]:
            intent = read_intent(path)
            yield from intent.ack_ids.items() if intent is not None else ()


def finish_commits_of(
    settings: CommitSettings, listed: Iterable[str], blocks: set[str]
) -> list[str]:
    """Completes those interrupted commits that were listed and hold one of these blocks.

    Returns the paths of their manifests. Raises as `recover`.
    """
    finished = []
    for path in listed:
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is not None and not blocks.isdisjoint(intent.manifest.blocks):
            finish(settings, intent)
            finished.append(path.removesuffix(PENDING) + ".json")
    return finished


def interrupted_same(
    settings: CommitSettings, inputs: Iterable[filesystem.InputFile]
) -> str | None:
    """Finds a run of the same request and inputs that was interrupted while committing.

    A scheduler that gives no run id repeats the same command after a crash. Its work is done once
    that commit is completed. Call this before `recover`, which removes the intent. Returns the id
    of that run, or None.
    """
    expected = set(inputs)
    for path, _ in manifest_files(settings.output):
        intent = read_intent(path) if path.endswith(PENDING) else None
        if intent is None or not settings.request or intent.request != settings.request:
            continue
        found = {
            filesystem.InputFile(each.path, each.bytes, each.modified_ns)
            for each in intent.manifest.inputs
        }
        if found == expected:
            return intent.manifest.run_id
    return None


def check_links(settings: CommitSettings) -> None:
    """Raises ForeignPathError if a directory that a run uses, or an entry in it, is a link."""
    refuse_links_in(settings.output, manifest_directory(settings.output))
    for place in settings.places():
        refuse_links_in(place.root, staging_root(place.root))
        if place.files != place.root:
            refuse_links(place.root, place.files)


def _remove_leftovers(settings: CommitSettings, truncated: list[str], ended: set[str]) -> None:
    """Removes what inactive runs have staged, and their files of intents and manifests."""
    places = settings.staging_places()
    run_ids = {place: place.staged_runs() for place in places}
    if not truncated and not any(run_ids.values()):
        for place in places:
            filesystem.remove_if_empty(staging_root(place.root))
        return
    # A run id of its own, as an earlier attempt at this run may have left files.
    observer = replace(settings, run_id=f"recovery-{secrets.token_hex(4)}")
    with OwnedStaging(observer) as own:
        staged_in = {place: own.staged(place) for place in places}
        times = {f.path: f for f in filesystem.files_below(manifest_directory(settings.output))}
        for path in truncated:
            run_id = path.rpartition("/")[2].partition(".")[0]
            found = [times[path]] if path in times else []
            if run_id in ended or not staged_in[places[0]].is_active(run_id, found):
                filesystem.delete([path])
        for place, staged in staged_in.items():
            for run_id in run_ids[place]:
                # Another run may be about to stage its first file.
                filesystem.remove_if_empty(place.staging(run_id))
            # The owners' own directories go last: until then they show that their runs are over.
            owners = {owner.run_id for owner in staged.owners}
            for run_id in sorted(staged.files, key=lambda run_id: run_id in owners):
                if not staged.is_active(run_id, staged.files[run_id]):
                    _clear(settings.output, run_id, [place])


def clear_staging_of(settings: CommitSettings, id_part: str) -> None:
    """Removes the uncommitted staged files of a run of many commits, whose ids hold `id_part`."""
    for place in settings.staging_places():
        for run_id in place.staged_runs():
            if id_part in run_id:
                clear_staging(replace(settings, run_id=run_id))


def clear_staging(settings: CommitSettings) -> None:
    """Removes the staged files of this run, unless its commit has begun and needs them."""
    _clear(settings.output, settings.run_id, settings.staging_places())


def _clear(output: str, run_id: str, places: list[Place]) -> None:
    # A commit that hangs must not keep a command from ending.
    if not beginning.acquire(timeout=_BEGINNING_SECONDS):
        return
    try:
        if read_intent(pending_path(output, run_id)) is None:
            for place in places:
                remove_staging(place.staging(run_id))
    finally:
        beginning.release()
