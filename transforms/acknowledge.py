"""Acknowledge: tells Pub/Sub which messages are done with, once they are committed."""

from __future__ import annotations

import logging
import time
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from transforms.messages import Receipt
from transforms.pubsub_client import AwayError, Subscription, batches
from transforms.puller import Backoff
from transforms.refusals import carried_to_launcher

_LOGGER = logging.getLogger(__name__)

_NAMESPACE = "job_status"


def acknowledge(subscription: Subscription, ack_ids: list[str], patience_seconds: float) -> int:
    """Acknowledges messages, again and again while the server is away.

    Args:
        subscription: Where they were pulled from.
        ack_ids: Which; once acknowledged, acknowledging them again does nothing.
        patience_seconds: How long to go on.

    Returns:
        How many could not be: they come again, and make rows with event ids that are there already.

    Raises:
        InputError: The server refuses, and will.
    """
    end = time.monotonic() + patience_seconds
    backoff = Backoff()
    left = len(ack_ids)
    for batch in batches(ack_ids):
        while True:
            try:
                subscription.acknowledge(batch)
            except AwayError as error:
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
    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds

    def setup(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._done = Metrics.counter(_NAMESPACE, "messages_acknowledged")
        self._not_done = Metrics.counter(_NAMESPACE, "messages_not_acknowledged")
        self._delay = Metrics.distribution(_NAMESPACE, "publish_to_commit_ms")

    def start_bundle(self) -> None:
        self._ack_ids: dict[str, list[str]] = {}

    def process(self, receipt: Receipt, _: Any = None) -> None:
        receipt = Receipt(*receipt)
        self._ack_ids.setdefault(receipt.subscription, []).extend(receipt.ack_ids)
        self._delay.update(max(0, int(time.time() * 1000) - receipt.oldest // 1000))

    def finish_bundle(self) -> None:
        with carried_to_launcher():
            for name, ack_ids in self._ack_ids.items():
                subscription = self._subscriptions.get(name)
                if subscription is None:
                    subscription = self._subscriptions[name] = Subscription(name)
                left = acknowledge(subscription, ack_ids, self._patience_seconds)
                self._done.inc(len(ack_ids) - left)
                self._not_done.inc(left)

    def teardown(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()


class Acknowledge(beam.PTransform):
    """Acknowledges the messages of receipts.

    Args:
        patience_seconds: How long to try while the server is away; as long as the lease, which is
            when the messages come again.
        after: A collection that is there once everything is committed, where the receipts
            themselves are there earlier. Without it the receipts must come out of the commit.

    Returns:
        An empty collection.
    """

    def __init__(
        self, *, patience_seconds: float = 600.0, after: beam.PCollection | None = None
    ) -> None:
        super().__init__()
        self._do_fn = _Acknowledge(patience_seconds)
        self._after = after

    def expand(self, receipts: beam.PCollection) -> beam.PCollection:
        # An engine holds the receipts until all of a side input is there.
        sides = () if self._after is None else (beam.pvalue.AsIter(self._after),)
        return receipts | beam.ParDo(self._do_fn, *sides)
