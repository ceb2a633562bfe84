"""Acknowledge: acknowledges messages after their output is committed."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

import apache_beam as beam

from schemas.errors import InputError, OutputError
from transforms.blocks import PendingAcks
from transforms.local import REMOTE_RUN, LocalRun, Retry
from transforms.pubsub.client import PubSubUnavailableError, Subscription, split_ack_ids
from transforms.pubsub.leases import release
from transforms.pubsub.metrics import record_acks, record_age, record_retries
from transforms.storage import filesystem

_LOGGER = logging.getLogger(__name__)

_COMPLETED_SECONDS = 5.0
"""How long a start retries acknowledgements of the run before it. Without them it goes on, too."""


def acknowledge(
    subscription: Subscription,
    ack_ids: list[str],
    retry: Retry,
    failed: Callable[[Exception, float], object] = lambda *_: None,
) -> int:
    """Acknowledges messages, and retries while the server is unavailable.

    Calls `failed` before each retry, as Retry does.

    Returns:
        The number of messages that could not be acknowledged. They are delivered again, and their
        rows are written again with the same event ids.

    Raises:
        InputError: The subscription does not exist or cannot be used.
    """
    left, refused = len(ack_ids), 0
    for batch in split_ack_ids(ack_ids):
        try:
            call = partial(subscription.acknowledge, batch)
            refused += retry.call(call, PubSubUnavailableError, failed)
        except PubSubUnavailableError as error:
            _LOGGER.error(
                "%d messages are committed, but could not be acknowledged (%s): "
                "they will be delivered again",
                left,
                error,
            )
            return refused + left
        left -= len(batch)
    if refused:
        _LOGGER.warning(
            "%d messages are committed, but their leases had ended: they will be delivered again",
            refused,
        )
    return refused


def acknowledge_completed(name: str, ack_ids: list[str]) -> int:
    """Acknowledges the messages of a commit that was completed after a crash.

    Returns:
        The number of messages that were acknowledged. The others are delivered again.
    """
    subscription = Subscription(name)
    try:
        return len(ack_ids) - acknowledge(subscription, ack_ids, Retry(_COMPLETED_SECONDS))
    except InputError:
        return 0
    finally:
        subscription.close()


class _Acknowledge(beam.DoFn):
    def __init__(self, retry: Retry, local_run: LocalRun) -> None:
        self._retry = retry
        self._local_run = local_run

    def setup(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}

    def start_bundle(self) -> None:
        self._ack_ids: defaultdict[str, list[str]] = defaultdict(list)
        self._intents: set[str] = set()
        self._held: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def process(self, pending_acks: PendingAcks) -> None:
        subscription, ack_ids, oldest, intent = pending_acks
        if intent:
            self._intents.add(intent)
        if ack_ids:
            self._ack_ids[subscription] += ack_ids
            self._held[subscription][oldest] += 1
        record_age(oldest, self._local_run)

    def finish_bundle(self) -> None:
        for name, ack_ids in self._ack_ids.items():
            try:
                left = self._acknowledge(name, ack_ids)
            except InputError as error:
                left = len(ack_ids)
                self._local_run.fail(error)
            finally:
                # These messages are committed. If they are delivered again, then as duplicates.
                release(name, ack_ids)
            record_acks(len(ack_ids) - left, left, self._held[name], self._local_run)
        try:
            filesystem.delete([*self._intents])
        except OutputError as error:
            _LOGGER.warning("%s; the next start deletes it", error.message)

    def _acknowledge(self, name: str, ack_ids: list[str]) -> int:
        if name not in self._subscriptions:
            self._subscriptions[name] = Subscription(name)
        return acknowledge(self._subscriptions[name], ack_ids, self._retry, self._record_retry)

    def _record_retry(self, error: Exception, wait: float) -> None:
        _LOGGER.warning("Pub/Sub cannot answer now (%s); trying again in %.1f s", error, wait)
        record_retries(1, self._local_run)

    def teardown(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()


class Acknowledge(beam.PTransform):
    """Acknowledges the messages of PendingAcks, which the commit emits.

    Args:
        retry: How long to retry while the server is unavailable.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        An empty collection.
    """

    def __init__(self, *, retry: Retry | None = None, local_run: LocalRun = REMOTE_RUN) -> None:
        super().__init__()
        self._do_fn = _Acknowledge(retry or Retry(), local_run)

    def expand(self, pending_acks: beam.PCollection) -> beam.PCollection:
        return pending_acks | beam.ParDo(self._do_fn)
