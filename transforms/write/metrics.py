"""Beam metrics of the sinks, for monitoring. The counts of record are in the ledger."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.metrics import Metrics

from schemas.version import METRICS_NAMESPACE
from transforms.blocks import Ledger
from transforms.local import LocalRun
from transforms.write.settings import CommitSettings


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
