"""WriteAvroPanes: encoded blocks without an end → a commit for each pane of each shard.

The panes share staging and commit with the bounded sink. What crosses the GroupByKey is one element
for each block that was pulled, whatever that became: an engine may put two elements of one bundle
into two panes, and a block is acknowledged as a whole.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows, GlobalWindows, IntervalWindow
from apache_beam.utils.windowed_value import PaneInfo

from schemas.errors import JobStatusError
from transforms.blocks import EncodedBlock, PendingAcks, packed, unpacked
from transforms.local import REMOTE_RUN, LocalRun, preserve_error_type
from transforms.storage import filesystem, manifest_path, pending_path, read_intent
from transforms.write.commit import CommitSettings, commit
from transforms.write.metrics import EventMetrics
from transforms.write.recovery import clear_staging
from transforms.write.stager import Stager

ALLOWED_LATENESS_SECONDS = 24 * 3600
"""Blocks are timed by when they were pulled, so only an engine that restarts makes one late."""

_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class PaneSettings:
    """How often to commit, and in how many parts.

    Attributes:
        window_seconds: Length of a window.
        shards: Commits that are made side by side for each window.
        by_processing_time: Whether panes come by the clock alone, where the source's watermark
            would make an older backlog late.
    """

    window_seconds: int = 60
    shards: int = 1
    by_processing_time: bool = False


def pane_id(window: Any, pane: PaneInfo, shard: int, run_id: str, elements: list[bytes]) -> str:
    """What a pane is committed as: the same for the same content, whoever tries how often.

    Args:
        window: The pane's window.
        pane: Which pane of the window.
        shard: Of the pane.
        run_id: Of the run.
        elements: What is in it, in any order.
    """
    digest = hashlib.sha256()
    for each in sorted(hashlib.sha256(element).digest() for element in elements):
        digest.update(each)
    start = "stream"
    if isinstance(window, IntervalWindow):
        start = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(float(window.start)))
    return f"{start}-{pane.index}-{shard}-{run_id}-{digest.hexdigest()[:_DIGEST_CHARACTERS]}"


def commit_pane(
    settings: CommitSettings,
    elements: list[bytes],
    metrics: EventMetrics,
    local_run: LocalRun = REMOTE_RUN,
) -> list[PendingAcks]:
    """Stages and commits a pane; one that is committed, or about to be, is not staged again.

    Args:
        settings: Where and how; the run id is the pane's.
        elements: What is in it.
        meters: Are told of the pane.
        local_run: Is looked at before every step, up to the commit itself.

    Returns:
        The receipts of all messages in it.

    Raises:
        StoppedError: The run is to end; nothing of it stays.
        JobStatusError: It cannot be committed; nothing of it stays.
    """
    output, run_id = settings.output, settings.run_id
    # An intent that was cut off is none: whoever takes it for one would commit nothing.
    is_begun = filesystem.exists(manifest_path(output, run_id)) or (
        read_intent(pending_path(output, run_id)) is not None
    )
    pending_acks: list[PendingAcks] = []
    # Two tries at the same time commit the same files, whichever of them is ahead.
    stager = Stager(settings, repeatable=True)
    try:
        for element in sorted(elements):
            for block in unpacked(element, list[EncodedBlock]):
                pending_acks += block.ledger.pending_acks
                if is_begun:
                    continue
                local_run.check()
                stager.add(block)
        ledger = stager.finish()
        local_run.check()
        commit(settings, ledger)
    finally:
        # Of a try that failed, or that another try of the same pane was ahead of.
        clear_staging(settings)
    metrics.count(ledger)
    return pending_acks


class _Pack(beam.DoFn):
    """Makes one element of all that a block of messages became: its last part has the receipt."""

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
                    "the engine tore a block of messages apart; nothing of it was acknowledged",
                    "this is a fault of job-status or of its engine; please report it",
                )


class _CommitPane(beam.DoFn):
    def __init__(self, settings: CommitSettings, local_run: LocalRun) -> None:
        self._settings = settings
        self._local_run = local_run

    def setup(self) -> None:
        self._metrics = EventMetrics()
        self._local_run.watch()

    def process(
        self,
        grouped: tuple[int, Iterable[bytes]],
        window: Any = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[PendingAcks]:
        shard, elements = grouped[0], list(grouped[1])
        if not elements:
            return
        run_id = pane_id(window, pane, shard, self._settings.run_id, elements)
        with preserve_error_type():
            settings = replace(self._settings, run_id=run_id)
            pending_acks = commit_pane(settings, elements, self._metrics, self._local_run)
        yield from pending_acks


class WriteAvroPanes(beam.PTransform):
    """Writes encoded blocks of messages, and commits them pane by pane.

    Args:
        settings: Where and how to write.
        panes: When to commit.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        A collection of the receipts of all messages, each once what became of it is committed.
    """

    def __init__(
        self, settings: CommitSettings, panes: PaneSettings, local_run: LocalRun = REMOTE_RUN
    ) -> None:
        super().__init__()
        self._settings = settings
        self._panes = panes
        self._local_run = local_run

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return (
            blocks
            | "Pack"
            >> beam.ParDo(_Pack(self._panes.shards, self._local_run)).with_output_types(
                tuple[int, bytes]
            )
            | "Panes" >> _window(self._panes)
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(_CommitPane(self._settings, self._local_run))
        )


def _window(panes: PaneSettings) -> beam.WindowInto:
    discarding = trigger.AccumulationMode.DISCARDING
    if panes.by_processing_time:
        return beam.WindowInto(
            GlobalWindows(),
            trigger=trigger.Repeatedly(trigger.AfterProcessingTime(panes.window_seconds)),
            accumulation_mode=discarding,
        )
    return beam.WindowInto(
        FixedWindows(panes.window_seconds),
        trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
        allowed_lateness=ALLOWED_LATENESS_SECONDS,
        accumulation_mode=discarding,
    )
