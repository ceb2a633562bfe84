"""What an engine's metrics say of a run while it goes on. The books are what counts; these show."""

from __future__ import annotations

import time

from apache_beam.metrics import Metrics

from schemas.version import METRICS_NAMESPACE
from transforms.blocks import PendingAcks
from transforms.local import LocalRun, Progress
from transforms.pubsub.messages import Message


class PullMetrics:
    """Counts messages that were pulled.

    Args:
        local_run: Receives the progress.
    """

    def __init__(self, local_run: LocalRun) -> None:
        self._local_run = local_run
        self._messages = Metrics.counter(METRICS_NAMESPACE, "messages_pulled")
        self._age = Metrics.distribution(METRICS_NAMESPACE, "message_age_at_pull_ms")

    def count(self, messages: list[Message]) -> None:
        """Counts messages, and takes down the age of the oldest."""
        if messages:
            self._messages.inc(len(messages))
            self._local_run.report(Progress(pulled=len(messages)))
            self._age.update(_age_ms(min(message.info.publish_time for message in messages)))


class AcknowledgeMetrics:
    """Counts messages that are committed, and whether they could be acknowledged."""

    def __init__(self) -> None:
        self._done = Metrics.counter(METRICS_NAMESPACE, "messages_acknowledged")
        self._not_done = Metrics.counter(METRICS_NAMESPACE, "messages_not_acknowledged")
        self._delay = Metrics.distribution(METRICS_NAMESPACE, "publish_to_commit_ms")

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
