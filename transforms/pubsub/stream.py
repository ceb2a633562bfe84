"""Pulls from a subscription without end, as a splittable DoFn."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from transforms.blocks import RawBlock
from transforms.local import LocalRun, preserve_error_type
from transforms.pubsub.client import PubSubUnavailableError, Subscription, backoff_waits
from transforms.pubsub.messages import BlockBuilder
from transforms.pubsub.metrics import record_pull
from transforms.pubsub.pull import Puller, PullSettings

_LOGGER = logging.getLogger(__name__)

_BUNDLE_SECONDS = 1.0
_BUNDLE_BYTES = 32 << 20
_PULLING, _ENDED = 1, 0


class _PullTracker(RestrictionTracker):
    """Tracks whether the pull goes on or has ended.

    Runners split long work. Only the whole rest can be split off: any other split would make two
    readers of one.
    """

    def __init__(self, state: int) -> None:
        self._state = state

    def current_restriction(self) -> int:
        return self._state

    def try_claim(self, position: int) -> bool:
        if self._state == _ENDED:
            return False
        self._state = position
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[int, int] | None:
        if fraction_of_remainder or self._state == _ENDED:
            return None
        self._state = _ENDED
        return _ENDED, _PULLING

    def check_done(self) -> None:
        if self._state != _ENDED:
            raise ValueError("the reader returned, but did not defer the rest of its work")

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=0.0, remaining=1.0)

    def is_bounded(self) -> bool:
        return False


class _PullRestrictions(RestrictionProvider):
    def initial_restriction(self, element: str) -> int:
        return _PULLING

    def create_tracker(self, restriction: int) -> _PullTracker:
        return _PullTracker(restriction)

    def restriction_size(self, element: str, restriction: int) -> int:
        return 1


_RESTRICTION = beam.DoFn.RestrictionParam(_PullRestrictions())
_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


@beam.DoFn.unbounded_per_element()
class StreamPull(beam.DoFn):
    """Pulls for about a second in each bundle: later steps get the blocks when the bundle ends."""

    def __init__(self, settings: PullSettings, local_run: LocalRun) -> None:
        self._settings = settings
        self._local_run = local_run

    def setup(self) -> None:
        self._puller: Puller | None = None

    def process(
        self, name: str, tracker: Any = _RESTRICTION, watermark: Any = _WATERMARK
    ) -> Iterator[TimestampedValue]:
        if not tracker.try_claim(_PULLING):
            return
        self._wait = 0.0
        if not self._settings.is_stopped():
            with preserve_error_type():
                for block in self._blocks(name):
                    yield TimestampedValue(block, _pull_time(watermark))
        watermark.set_watermark(_pull_time(watermark))
        if self._settings.is_stopped():
            tracker.try_claim(_ENDED)
        else:
            tracker.defer_remainder(Duration(self._wait))

    def _blocks(self, name: str) -> Iterator[RawBlock]:
        if self._puller is None:
            self._subscription = Subscription(name)
            self._puller = Puller(self._subscription, self._settings)
            self._waits = backoff_waits()
        builder = BlockBuilder(name, self._settings.max_event_bytes)
        self._end = time.monotonic() + _BUNDLE_SECONDS
        self._room = _BUNDLE_BYTES
        try:
            for messages in self._puller.pull_while(self._has_room):
                record_pull(messages, self._local_run)
                self._room -= sum(len(message.data) for message in messages)
                yield from builder.add(messages)
            self._waits = backoff_waits()
        except PubSubUnavailableError as error:
            self._wait = next(self._waits)
            _LOGGER.warning(
                "Pub/Sub cannot answer now (%s); trying again in %.1f s", error, self._wait
            )
        yield from builder.flush()

    def _has_room(self) -> bool:
        return self._room > 0 and time.monotonic() < self._end

    def teardown(self) -> None:
        if self._puller is not None:
            self._puller.close()
            self._subscription.close()


def _pull_time(watermark: Any) -> Timestamp:
    """Returns the current time, or the watermark if the clock was set back behind it."""
    current = watermark.current_watermark()
    now = Timestamp.now()
    return now if current is None else max(now, current)
