"""What an engine's metrics say of a run while it goes on. The books are what counts; these show."""

from __future__ import annotations

import time

from apache_beam.metrics import Metrics

from transforms.blocks import Ledger, PendingAcks
from transforms.local import Lifeline, Progress
from transforms.pubsub.messages import Message

NAMESPACE = "job_status"


class EventMetrics:
    """Counts events by what became of them, once for a bundle or a pane."""

    def __init__(self) -> None:
        self._read = Metrics.counter(NAMESPACE, "events_read")
        self._written = Metrics.counter(NAMESPACE, "events_written")
        self._dead_lettered = Metrics.counter(NAMESPACE, "events_dead_lettered")
        self._ignored = Metrics.counter(NAMESPACE, "events_ignored")

    def count(self, ledger: Ledger) -> None:
        """Adds what books say."""
        self._read.inc(ledger.read)
        self._written.inc(ledger.written)
        self._dead_lettered.inc(ledger.dead_lettered)
        self._ignored.inc(ledger.ignored)


class PullMetrics:
    """Counts messages that were pulled.

    Args:
        lifeline: Tells the launcher of a local run.
    """

    def __init__(self, lifeline: Lifeline | None) -> None:
        self._lifeline = lifeline
        self._messages = Metrics.counter(NAMESPACE, "messages_pulled")
        self._age = Metrics.distribution(NAMESPACE, "message_age_at_pull_ms")

    def count(self, messages: list[Message]) -> None:
        """Counts messages, and takes down the age of the oldest."""
        if messages:
            self._messages.inc(len(messages))
            if self._lifeline is not None:
                self._lifeline.tell(Progress(pulled=len(messages)))
            self._age.update(_age_ms(min(message.info.publish_time for message in messages)))


class AcknowledgeMetrics:
    """Counts messages that are committed, and whether they could be acknowledged."""

    def __init__(self) -> None:
        self._done = Metrics.counter(NAMESPACE, "messages_acknowledged")
        self._not_done = Metrics.counter(NAMESPACE, "messages_not_acknowledged")
        self._delay = Metrics.distribution(NAMESPACE, "publish_to_commit_ms")

    def committed(self, pending_acks: PendingAcks) -> None:
        """Takes down how long the oldest message of a block took from its publishing."""
        self._delay.update(_age_ms(pending_acks.oldest))

    def acknowledged(self, done: int, not_done: int) -> None:
        """Counts messages."""
        self._done.inc(done)
        self._not_done.inc(not_done)


def _age_ms(published: int) -> int:
    """Milliseconds since a time in microseconds since 1970; a clock may be behind the server's."""
    return max(0, int(time.time() * 1000) - published // 1000)
