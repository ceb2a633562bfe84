"""Beam metrics of the sinks, for monitoring. The counts of record are in the ledger."""

from __future__ import annotations

import logging

import apache_beam as beam
from apache_beam.metrics import Metrics

from schemas.errors import ForeignPathError
from schemas.version import METRICS_NAMESPACE
from transforms.blocks import Ledger
from transforms.local import LocalRun, Progress
from transforms.write.settings import CommitSettings

_LOGGER = logging.getLogger(__name__)
_RETRIES = Metrics.counter(METRICS_NAMESPACE, "retries")


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
