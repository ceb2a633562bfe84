"""Beam metrics of the sinks, for monitoring. The counts of record are in the ledger."""

from __future__ import annotations

import logging
import time

import apache_beam as beam
from apache_beam.metrics import Metrics

from schemas.errors import ForeignPathError
from schemas.version import METRICS_NAMESPACE
from transforms.blocks import Ledger
from transforms.local import LocalRun, Progress
from transforms.write.settings import CommitSettings

_LOGGER = logging.getLogger(__name__)
_RETRIES = Metrics.counter(METRICS_NAMESPACE, "retries")
_COMMITS = Metrics.counter(METRICS_NAMESPACE, "commits")
_LAST_COMMIT = Metrics.gauge(METRICS_NAMESPACE, "last_commit_timestamp_seconds")


class EventMetrics:
    """Counts events by outcome."""

    def __init__(self) -> None:
        self._counters = {
            outcome: Metrics.counter(METRICS_NAMESPACE, f"events_{outcome}")
            for outcome in ("read", "written", "dead_lettered", "ignored")
        }

    def count(self, ledger: Ledger) -> None:
        """Adds the counts of a bundle or a pane."""
        for outcome, counter in self._counters.items():
            counter.inc(getattr(ledger, outcome))


def record_commit(local_run: LocalRun, progress: Progress) -> None:
    """Records that a commit is done, with the progress that it makes."""
    now = time.time()
    _COMMITS.inc()
    _LAST_COMMIT.set(int(now))
    progress.add(Progress(commits=1, committed_at=now))
    local_run.report(progress)


class MeteredFn(beam.DoFn):
    """Base of the steps that stage blocks: counts events, and stops when a local run is over."""

    def __init__(self, settings: CommitSettings, local_run: LocalRun) -> None:
        self._settings = settings
        self._local_run = local_run

    def setup(self) -> None:
        self._metrics = EventMetrics()
        self._local_run.watch()

    def record_retry(self, error: Exception, wait: float) -> None:
        """Logs and counts an error of the storage that is followed by a retry."""
        if isinstance(error, ForeignPathError):
            raise error
        reason = getattr(error, "message", error)
        _LOGGER.warning("%s; trying again in %.1f s", reason, wait)
        _RETRIES.inc()
        self._local_run.report(Progress(retries=1))
