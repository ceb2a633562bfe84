"""WriteAvroPanes: commits an unbounded collection of encoded blocks, once per pane and shard.

Staging and commit are those of the bounded sink. The GroupByKey gets one element for each block
that was pulled, even if the block became several: a runner may put two elements of one bundle into
two panes, but a block is acknowledged as a whole.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import compress
from typing import Any

import apache_beam as beam
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows, GlobalWindows, IntervalWindow
from apache_beam.utils.windowed_value import PaneInfo

from schemas.errors import JobStatusError, OutputError
from transforms.blocks import EncodedBlock, PendingAcks
from transforms.local import REMOTE_RUN, LocalRun, Progress, preserve_error_type
from transforms.storage import (
    committed_blocks,
    filesystem,
    manifest_files,
    manifest_path,
    pending_path,
    read_intent,
    read_manifest,
)
from transforms.write.commit import commit
from transforms.write.commit_log import append_commit
from transforms.write.metrics import EventMetrics, MeteredFn, record_commit
from transforms.write.packages import (
    blocks_of,
    delete_files,
    missing_files,
    package_of,
    packed_blocks,
)
from transforms.write.recovery import clear_staging, finish_commits_of
from transforms.write.settings import CommitSettings, PaneSettings
from transforms.write.stager import Stager

_LOGGER = logging.getLogger(__name__)

ALLOWED_LATENESS_SECONDS = 24 * 3600
"""The time of a block is when its window was opened; it is late only if the runner restarts."""

_DIGEST_CHARACTERS = 12


def pane_id(window: Any, pane: PaneInfo, shard: int, run_id: str, elements: list[bytes]) -> str:
    """Returns the run id of a pane's commit: equal for equal elements, whatever their order."""
    digest = hashlib.sha256()
    for each in sorted(hashlib.sha256(element).digest() for element in elements):
        digest.update(each)
    name = f"{pane.index}-{shard}-{run_id}-{digest.hexdigest()[:_DIGEST_CHARACTERS]}"
    return f"{_window_start(window) or 'stream'}-{name}"


def _window_start(window: Any) -> str | None:
    """Returns the start of a window as part of a file name; None for the global window."""
    if not isinstance(window, IntervalWindow):
        return None
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(float(window.start)))


def block_digest(element: bytes) -> str:
    """Returns the digest by which a manifest names a block."""
    return hashlib.sha256(element).hexdigest()[:32]


def commit_pane(
    run: CommitSettings,
    run_id: str,
    elements: list[bytes],
    metrics: EventMetrics,
    local_run: LocalRun = REMOTE_RUN,
    committed: Callable[[str], object] = str,
) -> None:
    """Stages and commits a pane.

    Does not stage again if an earlier attempt began the commit.

    Args:
        run: Settings of the run.
        run_id: The run id of the pane.
        elements: The packages of the pane.
        metrics: Counts the committed events.
        local_run: Checked before each block and before the commit.
        committed: Called with the path of the manifest.

    Raises:
        StoppedError: The run was stopped. Nothing of the pane stays.
        JobStatusError: The pane cannot be committed. Nothing of it stays.
    """
    settings = replace(run, run_id=run_id)
    output = settings.output
    # A truncated intent does not count: its files would be neither staged nor committed.
    is_begun = filesystem.exists(manifest_path(output, run_id)) or (
        read_intent(pending_path(output, run_id)) is not None
    )
    # Two attempts at the same time write equal files, so either of them may commit first.
    stager = Stager(settings, repeatable=True)
    try:
        for element in () if is_begun else sorted(elements):
            for block in blocks_of(run, package_of(element)):
                local_run.check()
                stager.add(block)
        ledger = stager.finish()
        ledger.blocks = sorted(map(block_digest, elements))
        local_run.check()
        committed(commit(settings, ledger))
    finally:
        # After a failure, or if another attempt committed first, staged files are left.
        clear_staging(settings)
    metrics.count(ledger)
    record_commit(
        local_run, Progress(0, ledger.read, ledger.written, ledger.dead_lettered, ledger.ignored)
    )


class _Pack(MeteredFn):
    """Joins the encoded blocks of one pulled block; the last of them has the acknowledgement."""

    def __init__(self, settings: CommitSettings, panes: PaneSettings, local_run: LocalRun) -> None:
        super().__init__(settings, local_run)
        self._shards = panes.shards
        self._retry = panes.retry

    def setup(self) -> None:
        super().setup()
        self._shard = random.randrange(self._shards)

    def start_bundle(self) -> None:
        self._parts: list[EncodedBlock] = []

    def process(self, block: EncodedBlock) -> Iterator[tuple[int, bytes]]:
        self._parts.append(block)
        if block.ledger.pending_acks:
            self._shard = (self._shard + 1) % self._shards
            pack = partial(packed_blocks, self._settings, self._parts)
            with preserve_error_type():
                yield self._shard, self._retry.call(pack, OutputError, self.record_retry)
            self._parts = []

    def finish_bundle(self) -> None:
        if self._parts:
            with preserve_error_type():
                raise JobStatusError(
                    "the runner split a block of messages; nothing of it was acknowledged",
                    "this is a fault of job-status or of its runner; please report it",
                )


class _CommitPane(MeteredFn):
    """Commits a pane, and outputs the acknowledgements of its messages."""

    def __init__(self, settings: CommitSettings, panes: PaneSettings, local_run: LocalRun) -> None:
        super().__init__(settings, local_run)
        self._panes = panes

    def process(
        self,
        grouped: tuple[int, Iterable[bytes]],
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[PendingAcks]:
        shard, elements = grouped[0], list(grouped[1])
        with preserve_error_type():
            commit = partial(self._commit, window, pane, shard, elements)
            yield from self._panes.retry.call(commit, OutputError, self.record_retry)

    def _commit(
        self, window: Any, pane: PaneInfo, shard: int, elements: list[bytes]
    ) -> list[PendingAcks]:
        """Commits what is not committed yet, and returns the acknowledgements of all."""
        run = self._settings
        known, left = self._divide(window, elements)
        committed, packages = [*map(package_of, known)], [*map(package_of, left)]
        if missing := missing_files(run, packages):
            # The job goes on from a savepoint, and its staging directory was cleared meanwhile.
            _LOGGER.error("%d staged blocks are gone; Pub/Sub delivers them again", len(missing))
            is_there = [package.file not in missing for package in packages]
            left, packages = [*compress(left, is_there)], [*compress(packages, is_there)]
        pending_acks = [each for package in committed for each in package.pending_acks]
        if packages:
            run_id = pane_id(window, pane, shard, run.run_id, left)
            commit_pane(run, run_id, left, self._metrics, self._local_run, self._log_commit)
            intent = pending_path(run.output, run_id)
            for package in packages:
                pending_acks += [each._replace(intent=intent) for each in package.pending_acks]
        delete_files(run, packages + committed)
        return pending_acks

    def _divide(self, window: Any, elements: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Divides the packages of a window into those that are committed and the others.

        A retried pane and a job that is restored from an older checkpoint have committed packages.
        A commit of them that was interrupted is completed first.
        """
        start = _window_start(window)
        if start is None or not elements:
            return [], elements
        run, digests = self._settings, [*map(block_digest, elements)]
        # Once for both: an output may hold 100,000 manifests.
        listed = [path for path, _ in manifest_files(run.output, f"{start}-")]
        for path in finish_commits_of(run, listed, set(digests)):
            self._log_commit(path)
        known = committed_blocks(run.output, listed)
        committed: list[bytes] = []
        others: list[bytes] = []
        for element, digest in zip(elements, digests, strict=True):
            (committed if digest in known else others).append(element)
        return committed, others

    def _log_commit(self, path: str) -> None:
        if self._panes.commit_log is not None:
            append_commit(self._panes.commit_log, read_manifest(path))


class WriteAvroPanes(beam.PTransform):
    """Writes encoded blocks of messages, and commits them pane by pane.

    Returns:
        A collection of the PendingAcks of all messages, each after its commit.
    """

    def __init__(
        self, settings: CommitSettings, panes: PaneSettings, local_run: LocalRun = REMOTE_RUN
    ) -> None:
        super().__init__()
        self._settings = settings
        self._panes = panes
        self._local_run = local_run

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        pack = beam.ParDo(_Pack(self._settings, self._panes, self._local_run))
        commit = beam.ParDo(_CommitPane(self._settings, self._panes, self._local_run))
        return (
            blocks
            | "Pack" >> pack.with_output_types(tuple[int, bytes])
            | "Panes" >> _window(self._panes)
            | beam.GroupByKey()
            | "Commit" >> commit
        )


def _window(panes: PaneSettings) -> beam.WindowInto:
    discarding = trigger.AccumulationMode.DISCARDING
    if panes.by_processing_time:
        by_clock = trigger.Repeatedly(trigger.AfterProcessingTime(panes.window_seconds))
        return beam.WindowInto(GlobalWindows(), trigger=by_clock, accumulation_mode=discarding)
    return beam.WindowInto(
        # Each second in which the reader opened a window is one.
        FixedWindows(1),
        trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
        allowed_lateness=ALLOWED_LATENESS_SECONDS,
        accumulation_mode=discarding,
    )
