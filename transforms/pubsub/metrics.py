"""Beam metrics of pulling and acknowledging, for monitoring; the ledger holds the exact counts."""

from __future__ import annotations

import time
from collections import Counter

from apache_beam.metrics import Metrics

from schemas.version import METRICS_NAMESPACE
from transforms.blocks import RawBlock
from transforms.local import LocalRun, Progress
from transforms.pubsub.messages import Message

_PULLED = Metrics.counter(METRICS_NAMESPACE, "messages_pulled")
_RETRIES = Metrics.counter(METRICS_NAMESPACE, "retries")
_AGE_AT_PULL = Metrics.distribution(METRICS_NAMESPACE, "message_age_at_pull_ms")
_AGE_AT_COMMIT = Metrics.distribution(METRICS_NAMESPACE, "publish_to_commit_ms")
_ACKNOWLEDGED = Metrics.counter(METRICS_NAMESPACE, "messages_acknowledged")
_NOT_ACKNOWLEDGED = Metrics.counter(METRICS_NAMESPACE, "messages_not_acknowledged")


def record_pull(messages: list[Message], local_run: LocalRun) -> None:
    """Records the number of messages of a pull, and the age of the oldest."""
    if messages:
        _PULLED.inc(len(messages))
        local_run.report(Progress(pulled=len(messages)))
        _AGE_AT_PULL.update(_age_ms(min(message.info.publish_time for message in messages)))


def record_retries(count: int, local_run: LocalRun) -> None:
    """Records how many calls of Pub/Sub failed and were tried again."""
    if count:
        _RETRIES.inc(count)
        local_run.report(Progress(retries=count))


def record_block(block: RawBlock, local_run: LocalRun) -> None:
    """Records that this process holds a block of messages."""
    if block.pending_acks is not None:
        local_run.report(Progress(held={block.pending_acks.oldest: 1}))


def record_age(oldest: int, local_run: LocalRun) -> None:
    """Records the age of the oldest message of a committed block, from its publish time."""
    _AGE_AT_COMMIT.update(_age_ms(oldest))
    local_run.report(Progress.of_committed_block(oldest))


def record_acks(done: int, not_done: int, held: Counter[int], local_run: LocalRun) -> None:
    """Records how many messages were acknowledged, and how many were not.

    `held` counts their blocks by the publish time of their oldest message.
    """
    _ACKNOWLEDGED.inc(done)
    _NOT_ACKNOWLEDGED.inc(not_done)
    no_longer = {oldest: -count for oldest, count in held.items()}
    local_run.report(Progress(acknowledged=done, not_acknowledged=not_done, held=no_longer))


def _age_ms(published: int) -> int:
    """Returns the milliseconds since a time in microseconds since 1970."""
    # The clock of this machine may be behind the server's.
    return max(0, int(time.time() * 1000) - published // 1000)
