"""ReadPubSub: checks its names, and reads as a pipeline or with the runner's own reader."""

from __future__ import annotations

from datetime import datetime, timezone

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that

from schemas.errors import UsageError
from tests.pubsub import Published, Server
from tests.transforms.pubsub.pipelines import (
    Commit,
    committed_payloads,
    count_unacknowledged,
    pending_acks,
)
from transforms.blocks.block import RawBlock
from transforms.pubsub.acknowledge import Acknowledge
from transforms.pubsub.drain import DrainLimits
from transforms.pubsub.pull import PullSettings
from transforms.pubsub.read_pubsub import BuildBlocks, ReadPubSub

NAME = "projects/some-project/subscriptions/jobs"

needs_server = pytest.mark.needs("pubsub_emulator")
needs_client = pytest.mark.needs("pubsub_client")


@needs_server
def test_a_drain_runs_as_a_pipeline_and_acknowledges_after_its_commit(
    server: Server, published: Published
) -> None:
    name = published.subscription
    server.publish(published.topic, [b"%d" % number for number in range(3000)])
    settings = PullSettings(lease_seconds=10)
    limits = DrainLimits(idle_seconds=0.3, quiet_seconds=0.3)
    with beam.Pipeline("FnApiRunner") as pipeline:
        (
            pipeline
            | ReadPubSub(name, settings=settings, limits=limits)
            | beam.Map(lambda block: (0, block))
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(Commit(name))
            | Acknowledge()
        )
    assert sorted(map(int, committed_payloads(name))) == list(range(3000))
    assert count_unacknowledged(server, name) == 0


@needs_client
def test_a_topic_is_a_usage_error_if_the_runner_has_no_reader() -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    with pytest.raises(UsageError, match="Dataflow only"):
        pipeline | ReadPubSub(topic="projects/some-project/topics/jobs")


@needs_client
def test_a_name_of_another_form_is_a_usage_error_before_the_run() -> None:
    with pytest.raises(UsageError):
        ReadPubSub("jobs")


class DataflowRunner(FnApiRunner):
    """Has the name of the runner with a Pub/Sub reader of its own."""


@needs_client
@pytest.mark.parametrize("topic", [None, "projects/some-project/topics/jobs"])
def test_on_dataflow_beams_own_reader_reads_with_attributes(topic: str | None) -> None:
    pipeline = beam.Pipeline("FnApiRunner", options=PipelineOptions(["--streaming"]))
    # A pipeline that is created with a runner of this name requires a project and a region.
    pipeline.runner = DataflowRunner()
    pipeline | ReadPubSub(NAME if topic is None else None, topic=topic)
    readers: list[ReadFromPubSub] = []

    class Visitor(PipelineVisitor):
        def enter_composite_transform(self, node: AppliedPTransform) -> None:
            if isinstance(node.transform, ReadFromPubSub):
                readers.append(node.transform)

    pipeline.visit(Visitor())
    (reader,) = readers
    assert reader.with_attributes
    assert (reader._source.full_topic, reader._source.full_subscription) == (
        topic,
        NAME if topic is None else None,
    )


@needs_client
@pytest.mark.parametrize("project", ["123456789012", "p", "Project-A"])
def test_a_project_that_beam_does_not_accept_is_a_usage_error(project: str) -> None:
    pipeline = beam.Pipeline("FnApiRunner", options=PipelineOptions(["--streaming"]))
    pipeline.runner = DataflowRunner()
    with pytest.raises(UsageError, match="does not name its project by an id"):
        pipeline | ReadPubSub(f"projects/{project}/subscriptions/jobs")


def test_messages_of_beams_own_reader_become_blocks_without_ack_ids() -> None:
    published = datetime(2025, 5, 1, 10, 0, 0, 123_456, timezone.utc)
    read = [
        PubsubMessage(b'{"id":%d}' % number, {"provider": "lever"}, f"m{number}", published)
        for number in range(10)
    ]

    def check(blocks: list[RawBlock]) -> None:
        contexts = [context for block in blocks for context in block.contexts or []]
        assert sorted(each for block in blocks for each in block.payloads) == sorted(
            message.data for message in read
        )
        assert {context.provider for context in contexts} == {"lever"}
        assert {context.message.message_id for context in contexts if context.message} == {
            message.message_id for message in read
        }
        assert {context.message.publish_time for context in contexts if context.message} == {
            1_746_093_600_123_456
        }
        assert not any(pending_acks(block).ack_ids for block in blocks)

    with beam.Pipeline("FnApiRunner") as pipeline:
        blocks = pipeline | beam.Create(read) | beam.ParDo(BuildBlocks(NAME, 10_000_000))
        assert_that(blocks, check)
