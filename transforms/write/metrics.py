"""Metrics of the sink, for the monitoring of an engine. The ledger holds the counts that matter."""

from __future__ import annotations

from apache_beam.metrics import Metrics

from schemas.version import METRICS_NAMESPACE
from transforms.blocks import Ledger


class EventMetrics:
    """Counts events by what became of them, once for a bundle or a pane."""

    def __init__(self) -> None:
        self._read = Metrics.counter(METRICS_NAMESPACE, "events_read")
        self._written = Metrics.counter(METRICS_NAMESPACE, "events_written")
        self._dead_lettered = Metrics.counter(METRICS_NAMESPACE, "events_dead_lettered")
        self._ignored = Metrics.counter(METRICS_NAMESPACE, "events_ignored")

    def count(self, ledger: Ledger) -> None:
        """Adds what books say."""
        self._read.inc(ledger.read)
        self._written.inc(ledger.written)
        self._dead_lettered.inc(ledger.dead_lettered)
        self._ignored.inc(ledger.ignored)
