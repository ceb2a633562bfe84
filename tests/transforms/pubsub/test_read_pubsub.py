"""Reading from a server: every message once when acknowledged, whatever happens on the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows
from apache_beam.utils.windowed_value import PaneInfoTiming

from pipeline.runners.prism import PrismEngine
from schemas.errors import InputError, UsageError
from tests.components import component_path
from tests.pubsub import Line, Published, Server, wait_for
from transforms.blocks.block import RawBlock
from transforms.blocks.origin import PendingAcks
from transforms.pubsub import drain as pull_round
from transforms.pubsub.acknowledge import Acknowledge, acknowledge
from transforms.pubsub.client import Subscription
from transforms.pubsub.drain import DrainLimits, PullRound
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.pull import Puller, PullSettings
from transforms.pubsub.read_pubsub import BlocksOfMessages, ReadPubSub

NAME = "projects/some-project/subscriptions/jobs"
QUICK = DrainLimits(idle_seconds=1.0)
SECONDS_TO_COME = 120

needs_server = pytest.mark.needs("pubsub_emulator")
needs_client = pytest.mark.needs("pubsub_client")


def round_of(
    published: Published,
    settings: PullSettings | None = None,
    limits: DrainLimits = QUICK,
    count: Callable[[list[Message]], None] = lambda _: None,
) -> Iterator[RawBlock]:
    settings = settings or PullSettings()
    puller = Puller(Subscription(published.subscription), settings)
    builder = BlockBuilder(published.subscription, settings.max_event_bytes)
    return PullRound(puller, builder, settings, limits).blocks(count)


def at_message(number: int, act: Callable[[], None]) -> Callable[[list[Message]], None]:
    """Acts when so many messages have come."""
    came = 0

    def count(messages: list[Message]) -> None:
        nonlocal came
        came += len(messages)
        if came == number:
            act()

    return count


def receipt_of(block: RawBlock) -> PendingAcks:
    assert block.pending_acks is not None
    return block.pending_acks


@needs_server
def test_every_message_of_a_backlog_comes_once(server: Server, published: Published) -> None:
    payloads = [b'{"id":%d}' % number for number in range(20_000)]
    server.publish(published.topic, payloads)
    blocks = list(round_of(published))
    assert Counter(each for block in blocks for each in block.payloads) == Counter(payloads)
    for block in blocks:
        assert acknowledge(Subscription(published.subscription), receipt_of(block).ack_ids, 9) == 0
    assert list(round_of(published)) == []


@needs_server
def test_what_was_not_acknowledged_comes_again_when_its_lease_ends(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"%d" % number for number in range(100)])
    # The subscription's own lease is of ten seconds.
    settings = PullSettings(lease_seconds=12)
    before = time.monotonic()
    assert sum(len(block.payloads) for block in round_of(published, settings)) == 100
    assert server.left(published.subscription) == 0
    assert wait_for(lambda: server.left(published.subscription) > 0, SECONDS_TO_COME)
    assert time.monotonic() - before >= 12


@needs_server
def test_a_round_ends_at_its_number_of_messages(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"{}"] * 10_000)
    limits = DrainLimits(messages=3000, idle_seconds=1)
    rounds = []
    while blocks := list(round_of(published, limits=limits)):
        rounds.append(sum(len(block.payloads) for block in blocks))
    assert sum(rounds) == 10_000
    # What the pullers had under way at the end still comes.
    assert all(3000 <= count <= 5000 for count in rounds[:-1])


@needs_server
def test_a_round_ends_at_its_bytes(server: Server, published: Published) -> None:
    server.publish(published.topic, [b"x" * 10_000] * 1000)
    limits = DrainLimits(bytes=1_000_000, idle_seconds=1)
    settings = PullSettings(puller_bytes=500_000)
    first = list(round_of(published, settings, limits))
    assert 1_000_000 <= sum(len(each) for block in first for each in block.payloads) <= 2_000_000


@needs_server
def test_a_round_waits_for_its_first_message(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Subscription):
        """Has a message once it has said that there is none."""

        def pull(self, max_messages: int, seconds: float) -> list[Message]:
            messages = super().pull(max_messages, seconds)
            if not messages and not published_late:
                published_late.extend(server.publish(published.topic, [b"{}"]))
            return messages

    published_late: list[str] = []
    monkeypatch.setattr(f"{__name__}.Subscription", Late)
    settings = PullSettings(pullers=1)
    limits = DrainLimits(idle_seconds=SECONDS_TO_COME)
    assert [block.payloads for block in round_of(published, settings, limits)] == [[b"{}"]]
    assert published_late


@needs_server
def test_a_server_that_goes_away_ends_a_round_that_has_messages(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish(published.topic, [b"{}"] * 10)
    line = Line(server.address)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.address)
    # Nothing else ends it in the time that a test has.
    monkeypatch.setattr(pull_round, "_QUIET_SECONDS", 3600.0)
    cut = round_of(published, count=at_message(10, line.cut))
    assert sum(len(block.payloads) for block in cut) == 10


@needs_server
def test_a_server_that_is_away_is_not_an_empty_subscription(
    server: Server, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(server.address)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.address)
    server.publish(published.topic, [b"{}"] * 10)
    line.cut()
    # Longer than the second after which an empty subscription would have ended the round.
    threading.Timer(3, line.mend).start()
    assert sum(len(block.payloads) for block in round_of(published)) == 10
    line.cut()


@needs_server
def test_a_server_that_stays_away_is_an_error(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setattr(pull_round, "_PATIENCE_SECONDS", 0.5)
    with pytest.raises(InputError, match="did not answer"):
        list(round_of(published))


@needs_server
def test_a_stop_file_ends_a_round_with_what_it_has(
    server: Server, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish(published.topic, [b"{}"] * 10)
    stop = tmp_path / "stop"
    settings = PullSettings(stop_file=str(stop))
    # Nothing else ends it in the time that a test has.
    monkeypatch.setattr(pull_round, "_QUIET_SECONDS", 3600.0)
    limits = DrainLimits(idle_seconds=3600)
    stopped = round_of(published, settings, limits, at_message(10, stop.touch))
    assert sum(len(block.payloads) for block in stopped) == 10
    assert list(round_of(published, settings, limits)) == []


class _Committed(NamedTuple):
    window: str
    timing: int
    block: RawBlock


_COMMITTED: dict[str, list[_Committed]] = {}
"""What pipelines in this process committed, by subscription."""


class _Collect(beam.DoFn):
    """Stands in for the sink: what it has taken down is committed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def process(
        self,
        grouped: tuple[int, list[RawBlock]],
        window: object = beam.DoFn.WindowParam,
        pane: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[PendingAcks]:
        for block in grouped[1]:
            _committed(self._name).append(_Committed(str(window), pane.timing, block))
            yield receipt_of(block)


_PULLED: Counter[str] = Counter()
"""Counts the messages that pipelines in this process pulled, by subscription."""


def _noted(block: RawBlock) -> tuple[int, RawBlock]:
    """Counts the messages of a block, and keys it for the sink."""
    _PULLED[block.source] += len(block.payloads)
    return 0, block


def _committed(name: str) -> list[_Committed]:
    return _COMMITTED.setdefault(name, [])


def _payloads(name: str) -> list[bytes]:
    return [each for one in list(_committed(name)) for each in one.block.payloads]


def left_of_committed(server: Server, name: str) -> int:
    """How many messages come again of those that are committed, when their lease has ended."""
    for one in _committed(name):
        Subscription(name).extend(receipt_of(one.block).ack_ids, 1)
    time.sleep(1.5)
    return server.left(name)


@needs_server
def test_a_bounded_pull_runs_as_a_pipeline_and_acknowledges_at_its_end(
    server: Server, published: Published
) -> None:
    server.publish(published.topic, [b"%d" % number for number in range(3000)])
    settings = PullSettings(lease_seconds=10)
    with beam.Pipeline("FnApiRunner") as pipeline:
        blocks = pipeline | ReadPubSub(published.subscription, settings=settings, limits=QUICK)
        (
            blocks
            | beam.Map(lambda block: (0, block))
            | beam.GroupByKey()
            | "Commit" >> beam.ParDo(_Collect(published.subscription))
            | Acknowledge()
        )
    assert sorted(map(int, _payloads(published.subscription))) == list(range(3000))
    assert left_of_committed(server, published.subscription) == 0


class _Stream:
    """A pipeline on Prism that pulls until it is stopped.

    Args:
        published: Where to pull.
        directory: For the stop file.
    """

    def __init__(self, published: Published, directory: Path) -> None:
        self._stop = directory / "stop"
        self._name = published.subscription
        self._settings = PullSettings(lease_seconds=20, stop_file=str(self._stop))
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        options = PipelineOptions(
            ["--streaming", f"--prism_location={component_path('prism')}"],
            prism_log_level="warn",
        )
        engine = PrismEngine(options)
        try:
            pipeline = beam.Pipeline(engine, options=options)
            (
                pipeline
                | ReadPubSub(self._name, settings=self._settings)
                | beam.Map(_noted)
                | beam.WindowInto(
                    FixedWindows(2),
                    trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
                    allowed_lateness=86_400,
                    accumulation_mode=trigger.AccumulationMode.DISCARDING,
                )
                | beam.GroupByKey()
                | "Commit" >> beam.ParDo(_Collect(self._name))
                | Acknowledge()
            )
            pipeline.run().wait_until_finish()
        except BaseException as error:
            self.failure = error
        finally:
            engine.stop()

    def payloads(self) -> list[bytes]:
        """What was committed so far."""
        if self.failure is not None:
            raise self.failure
        return _payloads(self._name)

    def stop(self) -> None:
        """Stops pulling, and waits for the end."""
        self._stop.touch()
        self._thread.join(SECONDS_TO_COME)
        assert not self._thread.is_alive()
        assert self.failure is None


@needs_server
@pytest.mark.needs("prism")
def test_an_endless_pull_commits_as_it_goes_and_ends_when_told(
    server: Server, published: Published, tmp_path: Path
) -> None:
    stream = _Stream(published, tmp_path)
    sent = [b"%d" % number for number in range(5000)]
    server.publish(published.topic, sent[:4000])
    assert wait_for(lambda: len(stream.payloads()) == 4000, SECONDS_TO_COME)
    # What comes right before the end is committed and acknowledged too, in a window cut short.
    server.publish(published.topic, sent[4000:])
    assert wait_for(lambda: _PULLED[published.subscription] == len(sent), SECONDS_TO_COME)
    stream.stop()
    assert Counter(stream.payloads()) == Counter(sent)
    committed = _committed(published.subscription)
    assert {one.timing for one in committed} == {PaneInfoTiming.ON_TIME}
    assert len({one.window for one in committed}) >= 2
    assert left_of_committed(server, published.subscription) == 0


@needs_server
@pytest.mark.needs("prism")
def test_an_endless_pull_goes_on_when_the_server_is_back(
    server: Server,
    published: Published,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line(server.address)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.address)
    stream = _Stream(published, tmp_path)
    sent = [b"%d" % number for number in range(200)]
    server.publish(published.topic, sent[:100])
    assert wait_for(lambda: len(stream.payloads()) == 100, SECONDS_TO_COME)
    line.cut()
    server.publish(published.topic, sent[100:])
    time.sleep(4)
    line.mend()
    assert wait_for(lambda: set(stream.payloads()) == set(sent), SECONDS_TO_COME)
    stream.stop()
    line.cut()


@needs_client
def test_a_topic_is_refused_where_the_runner_reads_none() -> None:
    pipeline = beam.Pipeline("FnApiRunner")
    with pytest.raises(UsageError, match="Dataflow only"):
        pipeline | ReadPubSub(topic="projects/some-project/topics/jobs")


@needs_client
def test_a_name_of_another_form_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError):
        ReadPubSub("jobs")


class DataflowRunner(FnApiRunner):
    """Goes by the name of the runner that reads Pub/Sub by itself."""


@needs_client
@pytest.mark.parametrize("topic", [None, "projects/some-project/topics/jobs"])
def test_on_dataflow_beam_reads_with_attributes(topic: str | None) -> None:
    pipeline = beam.Pipeline("FnApiRunner", options=PipelineOptions(["--streaming"]))
    # A pipeline that is made with a runner of this name looks for a project and its region.
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
def test_a_project_that_beam_does_not_know_is_refused_in_words(project: str) -> None:
    pipeline = beam.Pipeline("FnApiRunner", options=PipelineOptions(["--streaming"]))
    pipeline.runner = DataflowRunner()
    with pytest.raises(UsageError, match="does not name its project by an id"):
        pipeline | ReadPubSub(f"projects/{project}/subscriptions/jobs")


def test_what_beam_reads_becomes_blocks_of_which_nothing_is_to_be_acknowledged() -> None:
    time_of_it = datetime(2025, 5, 1, 10, 0, 0, 123_456, timezone.utc)
    read = [
        PubsubMessage(b'{"id":%d}' % number, {"provider": "lever"}, f"m{number}", time_of_it)
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
        assert not any(receipt_of(block).ack_ids for block in blocks)

    with beam.Pipeline("FnApiRunner") as pipeline:
        blocks = pipeline | beam.Create(read) | beam.ParDo(BlocksOfMessages(NAME, 10_000_000))
        assert_that(blocks, check)
