"""ReadPubSub: messages of a subscription → blocks of payloads, each with what acknowledges it.

Beam's own reader runs on Dataflow alone: elsewhere it acknowledges before anything is written, and
takes an older backlog for late. So every other engine pulls with this one, which only extends the
lease of what it pulled; whoever commits a block acknowledges it. Events are timed by when they were
pulled, so that none is ever late.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.errors import UsageError
from transforms.blocks import MessageInfo, RawBlock
from transforms.local import REMOTE_RUN, LocalRun, preserve_error_type
from transforms.pubsub.client import (
    PubSubUnavailableError,
    Subscription,
    check_installed,
    checked_name,
)
from transforms.pubsub.drain import DrainLimits, PullRound
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.metrics import PullMetrics
from transforms.pubsub.pull import Backoff, Puller, PullSettings

_LOGGER = logging.getLogger(__name__)

_BUNDLE_SECONDS = 1.0
_BUNDLE_BYTES = 32 << 20


class _PullRound(beam.DoFn):
    def __init__(self, settings: PullSettings, limits: DrainLimits, local_run: LocalRun) -> None:
        self._settings = settings
        self._limits = limits
        self._local_run = local_run

    def setup(self) -> None:
        self._metrics = PullMetrics(self._local_run)

    def process(self, name: str) -> Iterator[RawBlock]:
        with preserve_error_type():
            subscription = Subscription(name)
            puller = Puller(subscription, self._settings)
            builder = BlockBuilder(name, self._settings.max_event_bytes)
            try:
                pulled = PullRound(puller, builder, self._settings, self._limits)
                yield from pulled.blocks(self._metrics.count)
            finally:
                puller.close()
                subscription.close()


_PULLING, _ENDED = 1, 0


class _PullTracker(RestrictionTracker):
    """Either goes on pulling, or has ended. No part of it can be given away.

    Engines split what takes long, which would have made two readers of one.
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
            raise ValueError("the reader returned without having put off its work")

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=0.0, remaining=1.0)

    def is_bounded(self) -> bool:
        return False


class _Endless(RestrictionProvider):
    def initial_restriction(self, element: str) -> int:
        return _PULLING

    def create_tracker(self, restriction: int) -> _PullTracker:
        return _PullTracker(restriction)

    def restriction_size(self, element: str, restriction: int) -> int:
        return 1


_RESTRICTION = beam.DoFn.RestrictionParam(_Endless())
_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


@beam.DoFn.unbounded_per_element()
class _PullForever(beam.DoFn):
    """Pulls for about a second at a time: what a bundle made goes on when the bundle ends."""

    def __init__(self, settings: PullSettings, local_run: LocalRun) -> None:
        self._settings = settings
        self._local_run = local_run

    def setup(self) -> None:
        self._metrics = PullMetrics(self._local_run)
        self._puller: Puller | None = None
        self._backoff = Backoff()

    def process(
        self, name: str, tracker: Any = _RESTRICTION, watermark: Any = _WATERMARK
    ) -> Iterator[TimestampedValue]:
        if not tracker.try_claim(_PULLING):
            return
        self._wait = 0.0
        if not self._settings.is_stopped():
            with preserve_error_type():
                for block in self._blocks(name):
                    yield TimestampedValue(block, _not_before(watermark))
        watermark.set_watermark(_not_before(watermark))
        if self._settings.is_stopped():
            tracker.try_claim(_ENDED)
        else:
            tracker.defer_remainder(Duration(self._wait))

    def _blocks(self, name: str) -> Iterator[RawBlock]:
        if self._puller is None:
            self._subscription = Subscription(name)
            self._puller = Puller(self._subscription, self._settings)
        builder = BlockBuilder(name, self._settings.max_event_bytes)
        self._end = time.monotonic() + _BUNDLE_SECONDS
        self._room = _BUNDLE_BYTES
        try:
            for messages in self._puller.pull_while(self._has_room):
                self._metrics.count(messages)
                self._room -= sum(len(message.data) for message in messages)
                yield from builder.add(messages)
            self._backoff.reset()
        except PubSubUnavailableError as error:
            self._wait = self._backoff.next()
            _LOGGER.warning(
                "Pub/Sub cannot answer now (%s); trying again in %.1f s", error, self._wait
            )
        yield from builder.rest()

    def _has_room(self) -> bool:
        return self._room > 0 and time.monotonic() < self._end

    def teardown(self) -> None:
        if self._puller is not None:
            self._puller.close()
            self._subscription.close()


def _not_before(watermark: Any) -> Timestamp:
    """The time, but never one that was passed already: a clock can be set back."""
    current = watermark.current_watermark()
    now = Timestamp.now()
    return now if current is None else max(now, current)


class BlocksOfMessages(beam.DoFn):
    """Gathers what Beam's own reader gives one by one. That reader acknowledges by itself.

    Args:
        source: The subscription or the topic.
        max_event_bytes: The longest message that is kept whole, in bytes.
    """

    def __init__(self, source: str, max_event_bytes: int) -> None:
        self._source = source
        self._max_event_bytes = max_event_bytes

    def start_bundle(self) -> None:
        self._builder = BlockBuilder(self._source, self._max_event_bytes, acknowledges=False)

    def process(
        self, message: Any, timestamp: Any = beam.DoFn.TimestampParam
    ) -> Iterator[RawBlock]:
        self._last = timestamp
        published = message.publish_time
        info = MessageInfo(
            message.message_id,
            timestamp.micros if published is None else round(published.timestamp() * 1_000_000),
            message.attributes or {},
        )
        yield from self._builder.add([Message(message.data, info, "")])

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for block in self._builder.rest():
            yield WindowedValue(block, self._last, (GlobalWindow(),))


class ReadPubSub(beam.PTransform):
    """Reads messages as blocks.

    Args:
        subscription: Its full name, or None with a topic.
        topic: The full name of a topic: only where the runner reads Pub/Sub by itself.
        settings: How to pull, where this project does.
        limits: Makes the read bounded: one round, for a sink that commits all of it at once.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        A collection of RawBlock. Without `limits` it is unbounded, timed by when the messages
        were pulled.

    Raises:
        UsageError: A name is wrong, the client library is missing, or the runner reads no topics.
    """

    def __init__(
        self,
        subscription: str | None = None,
        *,
        topic: str | None = None,
        settings: PullSettings | None = None,
        limits: DrainLimits | None = None,
        local_run: LocalRun = REMOTE_RUN,
    ) -> None:
        super().__init__()
        check_installed()
        if topic is not None:
            checked_name(topic, "topic")
        elif subscription is not None:
            checked_name(subscription, "subscription")
        self._subscription = subscription
        self._topic = topic
        self._settings = settings or PullSettings()
        self._limits = limits
        self._local_run = local_run

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        if self._limits is None and reads_by_itself(root.pipeline):
            return self._own_read(root)
        if self._subscription is None:
            raise UsageError(
                "--input_topic can be read on Dataflow only, and not with --drain",
                "make a subscription of the topic and give it with --input_subscription",
            )
        name = root | "Subscription" >> beam.Create([self._subscription], reshuffle=False)
        if self._limits is not None:
            pull_round = _PullRound(self._settings, self._limits, self._local_run)
            return name | "PullRound" >> beam.ParDo(pull_round).with_output_types(RawBlock)
        pull = _PullForever(self._settings, self._local_run)
        return name | "Pull" >> beam.ParDo(pull).with_output_types(RawBlock)

    def _own_read(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        from apache_beam.io.gcp.pubsub import ReadFromPubSub

        source = self._topic or self._subscription or ""
        try:
            read = ReadFromPubSub(self._topic, self._subscription, with_attributes=True)
        except ValueError as error:
            # Beam knows projects by their ids; Pub/Sub itself takes their numbers too.
            raise UsageError(
                f"{source} does not name its project by an id",
                "a project's id has 6 characters or more and begins with a small letter",
            ) from error
        return (
            root
            | "Messages" >> read
            | "Blocks"
            >> beam.ParDo(
                BlocksOfMessages(source, self._settings.max_event_bytes)
            ).with_output_types(RawBlock)
        )


def reads_by_itself(pipeline: beam.Pipeline) -> bool:
    """Whether the runner has a Pub/Sub reader that acknowledges only what is committed."""
    return type(pipeline.runner).__name__ in ("DataflowRunner", "TestDataflowRunner")
