"""Streams and drains serve their figures to Prometheus while they run."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.kills.gate import Gate
from tests.pipeline.report.scrape import free_port, get, samples_of
from tests.pubsub import Server, wait_for
from tests.streaming.command import DRAIN, TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

MESSAGES = 300


def test_the_figures_of_a_stream_are_those_of_its_manifests(server: Server, tmp_path: Path) -> None:
    place, port = Place(server, server.create(), tmp_path), free_port()
    began = time.time()
    job = place.start(streaming("--metrics_port", str(port)))
    payloads = [*envelopes(MESSAGES, 1), b"no event", b'{"event":"candidates.updated"}']
    server.publish(place.published.topic, payloads)
    place.wait_until_read(len(payloads), job)

    def are_acknowledged() -> bool:
        name = 'job_status_messages_committed_total{outcome="acknowledged"}'
        return samples_of(port)[name] == len(payloads)

    assert wait_for(are_acknowledged, TIMEOUT_SECONDS, 0.2), samples_of(port)
    found = samples_of(port)
    assert get(port, "/healthz") == "the run goes on\n"
    job.process.send_signal(signal.SIGTERM)
    assert job.wait(TIMEOUT_SECONDS) == 128 + signal.SIGTERM, place.log()
    manifests = place.manifests()
    for outcome in ("written", "dead_lettered", "ignored"):
        total = sum(each[outcome] for each in manifests)
        assert found[f'job_status_events_total{{outcome="{outcome}"}}'] == total > 0
    assert found["job_status_messages_pulled_total"] == len(payloads)
    assert found["job_status_messages_waiting"] == 0
    assert found["job_status_oldest_message_age_seconds"] == 0
    assert found["job_status_commits_total"] == len(manifests)
    assert began < found["job_status_last_commit_timestamp_seconds"] <= time.time()
    assert found["job_status_publish_to_commit_seconds_count"] > 0
    longest = time.time() - began
    assert 0 < found["job_status_publish_to_commit_seconds_sum"] < longest * MESSAGES


def test_the_messages_of_a_drain_wait_until_its_commit(server: Server, tmp_path: Path) -> None:
    place, port = Place(server, server.create(), tmp_path), free_port()
    server.publish(place.published.topic, envelopes(MESSAGES, 1))
    gate = Gate(str(tmp_path), r"open \S+/_manifest/\S+\.pending\.json")
    job = place.start([*DRAIN, "--metrics_port", str(port)], gate=gate)
    job.wait_until_held()
    found = samples_of(port)
    gate.open()
    assert job.wait(TIMEOUT_SECONDS) == 0, place.log()
    assert found["job_status_messages_pulled_total"] == MESSAGES
    assert found["job_status_messages_waiting"] == MESSAGES
    assert found["job_status_commits_total"] == 0
