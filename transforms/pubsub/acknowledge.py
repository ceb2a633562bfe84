"""Acknowledge: tells Pub/Sub which messages are done with, once they are committed."""

from __future__ import annotations

import logging
import time

import apache_beam as beam

from transforms.blocks import PendingAcks
from transforms.local import REMOTE_RUN, LocalRun, Progress, preserve_error_type
from transforms.pubsub.client import PubSubUnavailableError, Subscription, batches
from transforms.pubsub.metrics import AcknowledgeMetrics
from transforms.pubsub.pull import Backoff

_LOGGER = logging.getLogger(__name__)


def acknowledge(subscription: Subscription, ack_ids: list[str], retry_seconds: float) -> int:
    """Acknowledges messages, again and again while the server is away.

    Args:
        subscription: Where they were pulled from.
        ack_ids: Which; once acknowledged, acknowledging them again does nothing.
        retry_seconds: How long to go on.

    Returns:
        How many could not be: they come again, and make rows with event ids that are there already.

    Raises:
        InputError: The server refuses, and will.
    """
    end = time.monotonic() + retry_seconds
    backoff = Backoff()
    left = len(ack_ids)
    for batch in batches(ack_ids):
        while True:
            try:
                subscription.acknowledge(batch)
            except PubSubUnavailableError as error:
                wait = backoff.next()
                if time.monotonic() + wait > end:
                    _LOGGER.error(
                        "%d messages are committed, but could not be acknowledged (%s): "
                        "they will come again",
                        left,
                        error,
                    )
                    return left
                time.sleep(wait)
            else:
                left -= len(batch)
                backoff.reset()
                break
    return 0


class _Acknowledge(beam.DoFn):
    def __init__(self, retry_seconds: float, local_run: LocalRun) -> None:
        self._retry_seconds = retry_seconds
        self._local_run = local_run

    def setup(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._metrics = AcknowledgeMetrics()

    def start_bundle(self) -> None:
        self._ack_ids: dict[str, list[str]] = {}

    def process(self, pending_acks: PendingAcks) -> None:
        pending_acks = PendingAcks(*pending_acks)
        if pending_acks.ack_ids:
            self._ack_ids.setdefault(pending_acks.subscription, []).extend(pending_acks.ack_ids)
        self._metrics.committed(pending_acks)

    def finish_bundle(self) -> None:
        with preserve_error_type():
            for name, ack_ids in self._ack_ids.items():
                subscription = self._subscriptions.get(name)
                if subscription is None:
                    subscription = self._subscriptions[name] = Subscription(name)
                left = acknowledge(subscription, ack_ids, self._retry_seconds)
                self._metrics.acknowledged(len(ack_ids) - left, left)
                self._local_run.report(Progress(acknowledged=len(ack_ids) - left))

    def teardown(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()


class Acknowledge(beam.PTransform):
    """Acknowledges the messages of receipts, which come out of the commit.

    Args:
        retry_seconds: How long to try while the server is away; as long as the lease, which is
            when the messages come again.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        An empty collection.
    """

    def __init__(self, *, retry_seconds: float = 600.0, local_run: LocalRun = REMOTE_RUN) -> None:
        super().__init__()
        self._do_fn = _Acknowledge(retry_seconds, local_run)

    def expand(self, receipts: beam.PCollection) -> beam.PCollection:
        return receipts | beam.ParDo(self._do_fn)
