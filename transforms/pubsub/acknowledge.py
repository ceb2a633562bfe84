"""Acknowledge: acknowledges messages after their output is committed."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from functools import partial

import apache_beam as beam

from transforms.blocks import PendingAcks
from transforms.local import REMOTE_RUN, LocalRun, preserve_error_type
from transforms.pubsub.client import (
    PubSubUnavailableError,
    Subscription,
    backoff_waits,
    split_ack_ids,
)
from transforms.pubsub.metrics import record_acks, record_commit

_LOGGER = logging.getLogger(__name__)


def acknowledge(subscription: Subscription, ack_ids: list[str], retry_seconds: float) -> int:
    """Acknowledges messages, and retries for some seconds while the server is unavailable.

    Returns:
        The number of messages that could not be acknowledged. They are delivered again, and their
        rows are written again with the same event ids.

    Raises:
        InputError: The subscription does not exist or cannot be used.
    """
    from google.api_core.exceptions import RetryError
    from google.api_core.retry import if_exception_type, retry_target

    end = time.monotonic() + retry_seconds
    is_retryable = if_exception_type(PubSubUnavailableError)
    left = len(ack_ids)
    for batch in split_ack_ids(ack_ids):
        call = partial(subscription.acknowledge, batch)
        try:
            retry_target(call, is_retryable, backoff_waits(), end - time.monotonic())
        except RetryError as error:
            _LOGGER.error(
                "%d messages are committed, but could not be acknowledged (%s): "
                "they will be delivered again",
                left,
                error.cause,
            )
            return left
        left -= len(batch)
    return 0


class _Acknowledge(beam.DoFn):
    def __init__(self, retry_seconds: float, local_run: LocalRun) -> None:
        self._retry_seconds = retry_seconds
        self._local_run = local_run

    def setup(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}

    def start_bundle(self) -> None:
        self._ack_ids: defaultdict[str, list[str]] = defaultdict(list)

    def process(self, pending_acks: PendingAcks) -> None:
        subscription, ack_ids, oldest = pending_acks
        if ack_ids:
            self._ack_ids[subscription] += ack_ids
        record_commit(oldest)

    def finish_bundle(self) -> None:
        with preserve_error_type():
            for name, ack_ids in self._ack_ids.items():
                if name not in self._subscriptions:
                    self._subscriptions[name] = Subscription(name)
                left = acknowledge(self._subscriptions[name], ack_ids, self._retry_seconds)
                record_acks(len(ack_ids) - left, left, self._local_run)

    def teardown(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()


class Acknowledge(beam.PTransform):
    """Acknowledges the messages of PendingAcks, which the commit emits.

    Args:
        retry_seconds: How long to retry while the server is unavailable. Use the length of the
            lease: after that the messages are delivered again anyway.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        An empty collection.
    """

    def __init__(self, *, retry_seconds: float = 600.0, local_run: LocalRun = REMOTE_RUN) -> None:
        super().__init__()
        self._do_fn = _Acknowledge(retry_seconds, local_run)

    def expand(self, pending_acks: beam.PCollection) -> beam.PCollection:
        return pending_acks | beam.ParDo(self._do_fn)
