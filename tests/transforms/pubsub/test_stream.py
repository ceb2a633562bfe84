"""StreamPull: pulls on Prism until it is stopped, and outlives a server that is away."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import trigger
from apache_beam.transforms.window import FixedWindows
from apache_beam.utils.windowed_value import PaneInfoTiming

from pipeline.runners.job_server import SupervisedPrismRunner
from tests.components import component_path
from tests.pubsub import Proxy, Published, Server, wait_for
from tests.transforms.pubsub.pipelines import (
    Commit,
    committed,
    committed_payloads,
    count_unacknowledged,
)
from transforms.blocks.block import RawBlock
from transforms.local import retry
from transforms.local.retry import Retry
from transforms.pubsub import commit_window, stream
from transforms.pubsub.acknowledge import Acknowledge
from transforms.pubsub.commit_window import WindowLimits
from transforms.pubsub.pull import PullSettings
from transforms.pubsub.read_pubsub import ReadPubSub

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

TIMEOUT_SECONDS = 120
ONE_SECOND = WindowLimits(1)

_PULLED: Counter[str] = Counter()
"""The number of pulled messages of pipelines in this process, by subscription."""


def _count_and_key(block: RawBlock) -> tuple[int, RawBlock]:
    _PULLED[block.source] += len(block.payloads)
    return 0, block


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the bundles and the waits after an error."""
    monkeypatch.setattr(stream, "_BUNDLE_SECONDS", 0.2)
    monkeypatch.setattr(retry, "_LONGEST_WAIT_SECONDS", 0.2)


class RunningStream:
    """A pipeline on Prism that pulls until it is stopped.

    Args:
        published: The subscription.
        directory: A directory for the stop file.
        window: What is committed together.
    """

    def __init__(
        self, published: Published, directory: Path, window: WindowLimits = ONE_SECOND
    ) -> None:
        self._window = window
        self._stop = directory / "stop"
        self._name = published.subscription
        self._settings = PullSettings(lease_seconds=20, retry=Retry(stop_file=str(self._stop)))
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        options = PipelineOptions(
            ["--streaming", f"--prism_location={component_path('prism')}"],
            prism_log_level="warn",
        )
        runner = SupervisedPrismRunner(options)
        try:
            pipeline = beam.Pipeline(runner, options=options)
            (
                pipeline
                | ReadPubSub(self._name, settings=self._settings, window=self._window)
                | beam.Map(_count_and_key)
                | beam.WindowInto(
                    FixedWindows(1),
                    trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
                    allowed_lateness=86_400,
                    accumulation_mode=trigger.AccumulationMode.DISCARDING,
                )
                | beam.GroupByKey()
                | "Commit" >> beam.ParDo(Commit(self._name))
                | Acknowledge()
            )
            pipeline.run().wait_until_finish()
        except BaseException as error:
            self.failure = error
        finally:
            runner.stop()

    def payloads(self) -> list[bytes]:
        """Returns the payloads that were committed so far."""
        if self.failure is not None:
            raise self.failure
        return committed_payloads(self._name)

    def stop(self) -> None:
        """Stops pulling, and waits for the end of the pipeline."""
        self._stop.touch()
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive()
        assert self.failure is None


def test_a_stream_commits_every_message_once_despite_an_outage_until_it_is_stopped(
    server: Server,
    published: Published,
    proxy: Proxy,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = published.subscription
    running = RunningStream(published, tmp_path)
    sent = [b"%d" % number for number in range(5000)]
    server.publish(published.topic, sent[:4000])
    assert wait_for(lambda: len(running.payloads()) == 4000, TIMEOUT_SECONDS)
    proxy.disconnect()
    server.publish(published.topic, sent[4000:4100])
    warning = "Pub/Sub cannot answer now"
    assert wait_for(lambda: caplog.text.count(warning) >= 2, TIMEOUT_SECONDS)
    proxy.connect()
    assert wait_for(lambda: set(running.payloads()) == set(sent[:4100]), TIMEOUT_SECONDS)
    # Messages that arrive right before the stop are committed and acknowledged too.
    server.publish(published.topic, sent[4100:])
    assert wait_for(lambda: _PULLED[name] == len(sent), TIMEOUT_SECONDS)
    running.stop()
    assert Counter(running.payloads()) == Counter(sent)
    assert {one.timing for one in committed(name)} == {PaneInfoTiming.ON_TIME}
    assert len({one.window for one in committed(name)}) >= 2
    assert count_unacknowledged(server, name) == 0


def test_commits_go_on_at_their_pace_after_the_clock_was_set_back(
    server: Server, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = RunningStream(published, tmp_path)
    server.publish(published.topic, [b"1"])
    assert wait_for(lambda: running.payloads() == [b"1"], TIMEOUT_SECONDS)
    # Only there: gRPC uses the clock too, and would compare it with the real one.
    clocks = SimpleNamespace(time=lambda: time.time() - 3600, monotonic=time.monotonic)
    monkeypatch.setattr(commit_window, "time", clocks)
    server.publish(published.topic, [b"2"])
    start = time.monotonic()
    assert wait_for(lambda: running.payloads() == [b"1", b"2"], TIMEOUT_SECONDS)
    assert time.monotonic() - start < 60
    server.publish(published.topic, [b"3"])
    assert wait_for(lambda: running.payloads() == [b"1", b"2", b"3"], TIMEOUT_SECONDS)
    running.stop()
    assert len({one.window for one in committed(published.subscription)}) == 3


def test_a_window_that_is_full_is_committed_before_its_time(
    server: Server, published: Published, tmp_path: Path
) -> None:
    running = RunningStream(published, tmp_path, WindowLimits(3600, bytes=1000))
    server.publish(published.topic, [b"%d" % number * 100 for number in range(10, 52)])
    # Five messages fill a window; the last one is not full.
    assert wait_for(lambda: len(running.payloads()) == 40, TIMEOUT_SECONDS)
    running.stop()
    assert len(running.payloads()) == 42
