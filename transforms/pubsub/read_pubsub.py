"""ReadPubSub: reads messages as raw blocks of payloads, each with its pending acknowledgements.

Beam's own reader is safe on Dataflow only. Other runners acknowledge before anything is written,
and treat an older backlog as late data. There this project pulls, and only extends the leases; a
later step acknowledges a block after its commit. The event time of a block is when its commit
window was opened, so that no block is late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas.errors import UsageError
from transforms.blocks import MessageInfo, RawBlock
from transforms.local import REMOTE_RUN, LocalRun
from transforms.pubsub.client import check_installed, checked_name
from transforms.pubsub.commit_window import WindowLimits
from transforms.pubsub.drain import DrainLimits, drain
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.pull import PullSettings
from transforms.pubsub.stream import StreamPull


class BuildBlocks(beam.DoFn):
    """Builds blocks of the messages from Beam's own reader, which acknowledges them."""

    def __init__(self, source: str, max_event_bytes: int) -> None:
        self._source = source
        self._max_event_bytes = max_event_bytes

    def start_bundle(self) -> None:
        self._builder = BlockBuilder(self._source, self._max_event_bytes)

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
        yield from self._builder.add([Message(message.data, info, ack_id="")])

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for block in self._builder.flush():
            yield WindowedValue(block, self._last, (GlobalWindow(),))


class ReadPubSub(beam.PTransform):
    """Reads messages as blocks.

    Args:
        subscription: Its full name, or None with a topic.
        topic: The full name of a topic, for runners with a Pub/Sub reader of their own.
        settings: How this project pulls; not used by a runner's own reader.
        limits: Makes the read bounded: one batch, which a sink commits as a whole.
        window: Which messages of an unbounded read are committed together.
        local_run: Connects the workers with the launcher of a local run.

    Returns:
        A collection of RawBlock. Without `limits` it is unbounded, and the event time of a block
        is when its commit window was opened.

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
        window: WindowLimits | None = None,
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
        self._window = window or WindowLimits()
        self._local_run = local_run

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        if self._limits is None and runner_reads_pubsub(root.pipeline):
            return self._read_by_runner(root)
        if self._subscription is None:
            raise UsageError(
                "--input_topic can be read on Dataflow only, and not with --drain",
                "make a subscription of the topic and give it with --input_subscription",
            )
        name = root | "Subscription" >> beam.Create([self._subscription], reshuffle=False)
        if self._limits is not None:
            pull = beam.FlatMap(drain, self._settings, self._limits, self._local_run)
            return name | "Drain" >> pull.with_output_types(RawBlock)
        stream = beam.ParDo(StreamPull(self._settings, self._window, self._local_run))
        return name | "Pull" >> stream.with_output_types(RawBlock)

    def _read_by_runner(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        from apache_beam.io.gcp.pubsub import ReadFromPubSub

        source = self._topic or self._subscription or ""
        try:
            read = ReadFromPubSub(self._topic, self._subscription, with_attributes=True)
        except ValueError as error:
            # Beam accepts project ids only; Pub/Sub accepts project numbers too.
            raise UsageError(
                f"{source} does not name its project by an id",
                "a project's id has 6 characters or more and begins with a small letter",
            ) from error
        build = BuildBlocks(source, self._settings.max_event_bytes)
        messages = root | "Messages" >> read
        return messages | "Blocks" >> beam.ParDo(build).with_output_types(RawBlock)


def runner_reads_pubsub(pipeline: beam.Pipeline) -> bool:
    """Returns whether the runner has a Pub/Sub reader that acknowledges only committed messages."""
    return type(pipeline.runner).__name__ in ("DataflowRunner", "TestDataflowRunner")
