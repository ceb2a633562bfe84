"""WriteAvroPanes: commits an unbounded collection of encoded blocks, once per pane and shard.

Staging and commit are those of the bounded sink. The GroupByKey gets one element for each block
that was pulled, even if the block became several: a runner may put two elements of one bundle into
two panes, but a block is acknowledged as a whole.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows, GlobalWindows, IntervalWindow
from apache_beam.utils.windowed_value import PaneInfo

from schemas.errors import JobStatusError
from transforms.blocks import EncodedBlock, PendingAcks, packed, unpacked
from transforms.local import REMOTE_RUN, LocalRun, preserve_error_type
from transforms.storage import (
    committed_blocks,
    filesystem,
    manifest_path,
    pending_path,
    read_intent,
)
from transforms.write.commit import commit
from transforms.write.metrics import EventMetrics, MeteredFn
from transforms.write.recovery import clear_staging, finish_commits_of
from transforms.write.settings import CommitSettings, PaneSettings
from transforms.write.stager import Stager

ALLOWED_LATENESS_SECONDS = 24 * 3600
"""The time of a block is when it was pulled, so a block is late only if the runner restarts."""

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
    settings: CommitSettings,
    elements: list[bytes],
    metrics: EventMetrics,
    local_run: LocalRun = REMOTE_RUN,
) -> list[PendingAcks]:
    """Stages and commits a pane, whose id is the run id of the settings.

    Does not stage again if an earlier attempt began the commit.

    Args:
        settings: Settings of this pane.
        elements: The packed blocks of the pane.
        metrics: Counts the committed events.
        local_run: Checked before each block and before the commit.

    Returns:
        The acknowledgements of all messages in the pane.

    Raises:
        StoppedError: The run was stopped. Nothing of the pane stays.
        JobStatusError: The pane cannot be committed. Nothing of it stays.
    """
    output, run_id = settings.output, settings.run_id
    # A truncated intent does not count: its files would be neither staged nor committed.
    is_begun = filesystem.exists(manifest_path(output, run_id)) or (
        read_intent(pending_path(output, run_id)) is not None
    )
    pending_acks: list[PendingAcks] = []
    # Two attempts at the same time write equal files, so either of them may commit first.
    stager = Stager(settings, repeatable=True)
    try:
        for element in sorted(elements):
            blocks = unpacked(element, list[EncodedBlock])
            pending_acks += _pending_acks(blocks)
            for block in () if is_begun else blocks:
                local_run.check()
                stager.add(block)
        ledger = stager.finish()
        ledger.blocks = sorted(map(block_digest, elements))
        local_run.check()
        commit(settings, ledger)
    finally:
        # After a failure, or if another attempt committed first, staged files are left.
        clear_staging(settings)
    metrics.count(ledger)
    return pending_acks


class _Pack(beam.DoFn):
    """Joins the encoded blocks of one pulled block; the last of them has the acknowledgement."""

    def __init__(self, shards: int, local_run: LocalRun) -> None:
        self._shards = shards
        self._local_run = local_run

    def setup(self) -> None:
        self._shard = random.randrange(self._shards)

    def start_bundle(self) -> None:
        self._parts: list[EncodedBlock] = []

    def process(self, block: EncodedBlock) -> Iterator[tuple[int, bytes]]:
        self._local_run.report(block.progress)
        self._parts.append(block)
        if block.ledger.pending_acks:
            self._shard = (self._shard + 1) % self._shards
            yield self._shard, packed(self._parts)
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

    def process(
        self,
        grouped: tuple[int, Iterable[bytes]],
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[PendingAcks]:
        shard, elements = grouped[0], list(grouped[1])
        with preserve_error_type():
            committed, elements = _divide(self._settings, window, elements)
            for element in committed:
                yield from _pending_acks(unpacked(element, list[EncodedBlock]))
            if not elements:
                return
            run_id = pane_id(window, pane, shard, self._settings.run_id, elements)
            settings = replace(self._settings, run_id=run_id)
            yield from commit_pane(settings, elements, self._metrics, self._local_run)


def _divide(
    settings: CommitSettings, window: Any, elements: list[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Divides the blocks of a window into those that are committed and the others.

    A retried pane and a job that is restored from an older checkpoint have committed blocks. A
    commit of them that was interrupted is completed first.
    """
    start = _window_start(window)
    if start is None or not elements:
        return [], elements
    digests = list(map(block_digest, elements))
    finish_commits_of(settings, f"{start}-", set(digests))
    known = committed_blocks(settings.output, f"{start}-")
    committed: list[bytes] = []
    others: list[bytes] = []
    for element, digest in zip(elements, digests, strict=True):
        (committed if digest in known else others).append(element)
    return committed, others


def _pending_acks(blocks: Iterable[EncodedBlock]) -> Iterator[PendingAcks]:
    for block in blocks:
        yield from block.ledger.pending_acks


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
        pack = beam.ParDo(_Pack(self._panes.shards, self._local_run))
        return (
            blocks
            | "Pack" >> pack.with_output_types(tuple[int, bytes])
            | "Panes" >> _window(self._panes)
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(_CommitPane(self._settings, self._local_run))
        )


def _window(panes: PaneSettings) -> beam.WindowInto:
    discarding = trigger.AccumulationMode.DISCARDING
    if panes.by_processing_time:
        by_clock = trigger.Repeatedly(trigger.AfterProcessingTime(panes.window_seconds))
        return beam.WindowInto(GlobalWindows(), trigger=by_clock, accumulation_mode=discarding)
    return beam.WindowInto(
        FixedWindows(panes.window_seconds),
        trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
        allowed_lateness=ALLOWED_LATENESS_SECONDS,
        accumulation_mode=discarding,
    )
