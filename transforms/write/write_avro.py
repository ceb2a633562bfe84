"""WriteAvro: every bundle stages its blocks as files of both outputs; one commit publishes all.

Beam's own Avro sinks are not used: they do not validate, a rerun leaves the files of the last run
beside its own, and in a stream they lose rows silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.errors import OutputError
from transforms.blocks import EncodedBlock, Ledger
from transforms.local import REMOTE_RUN, LocalRun, Progress, Retry, preserve_error_type
from transforms.storage import pending_path
from transforms.write.commit import commit
from transforms.write.metrics import MeteredFn, record_commit
from transforms.write.settings import CommitSettings
from transforms.write.stager import Stager


class _Stage(MeteredFn):
    """Stages the blocks of a bundle, and outputs the ledger of the bundle."""

    def start_bundle(self) -> None:
        self._stager = Stager(self._settings)

    def process(self, block: EncodedBlock) -> None:
        self._local_run.check()
        self._local_run.report(block.progress)
        with preserve_error_type():
            self._stager.add(block)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        with preserve_error_type():
            ledger = self._stager.finish()
        self._metrics.count(ledger)
        window = GlobalWindow()
        yield WindowedValue(ledger.to_bytes(), window.start, (window,))


class _Commit(MeteredFn):
    """Commits the run by the merged ledger of all bundles."""

    def __init__(self, settings: CommitSettings, local_run: LocalRun, retry: Retry | None) -> None:
        super().__init__(settings, local_run)
        self._retry = retry

    def process(self, grouped: tuple[None, Iterable[bytes]]) -> Iterator[Any]:
        ledger = Ledger.merged(grouped[1])
        if self._settings.from_messages and not ledger.pending_acks:
            return
        # The launcher of a stopped run may be removing the staged files.
        self._local_run.check()
        work = partial(commit, self._settings, ledger)
        with preserve_error_type():
            if self._retry is None:
                path = work()
            else:
                path = self._retry.call(work, OutputError, self.record_retry)
        record_commit(self._local_run, Progress())
        yield path
        intent = pending_path(self._settings.output, self._settings.run_id)
        for pending_acks in ledger.pending_acks:
            yield TaggedOutput("pending_acks", pending_acks._replace(intent=intent))


class WriteAvro(beam.PTransform):
    """Writes encoded blocks and commits them, all or nothing.

    Args:
        settings: Where and how to write.
        inputs: Ledgers of the inputs from ReadFiles, which the blocks have to account for. None if
            the blocks hold messages.
        local_run: Connects the workers with their launcher.
        retry: How long to retry a commit that fails, or None for no retry.

    Returns:
        Two collections: `manifest`, with the path of the manifest, empty if there was no message;
        and `pending_acks`, with the PendingAcks of all messages, once they are committed.
    """

    def __init__(
        self,
        settings: CommitSettings,
        inputs: beam.PCollection | None,
        local_run: LocalRun = REMOTE_RUN,
        retry: Retry | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self._inputs = inputs
        self._local_run = local_run
        self._retry = retry

    def expand(self, blocks: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        bundles = blocks | "Stage" >> beam.ParDo(_Stage(self._settings, self._local_run))
        # Without an element, the commit would not run.
        nothing = blocks.pipeline | "Nothing" >> beam.Create([Ledger().to_bytes()], reshuffle=False)
        ledgers: Any = [each for each in (bundles, self._inputs, nothing) if each is not None]
        commit_all = beam.ParDo(_Commit(self._settings, self._local_run, self._retry))
        return (
            tuple(ledgers)
            | beam.Flatten()
            | "Together" >> beam.Map(lambda ledger: (None, ledger))
            | beam.GroupByKey()
            | "Commit" >> commit_all.with_outputs("pending_acks", main="manifest")
        )
