"""Two streams share a subscription and an output; one is killed, and the other goes on."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipeline.command import job_status
from tests.pubsub import Server, wait_for
from tests.streaming.command import TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

LEASE_SECONDS = 10


def test_two_streams_share_a_subscription_and_survive_each_other(
    server: Server, tmp_path: Path
) -> None:
    first = Place(server, server.create(), tmp_path)
    first.output.mkdir()
    second = replace(first, directory=tmp_path / "second")
    second.directory.mkdir()
    second.output.symlink_to(first.output)
    arguments = streaming("--lease_seconds", str(LEASE_SECONDS))
    jobs = [first.start(arguments), second.start(arguments)]
    sent: list[str] = []

    def have_both_committed() -> bool:
        sent.extend(server.publish(first.published.topic, envelopes(100, len(sent))))
        time.sleep(0.5)
        assert all(job.is_running for job in jobs), first.log()
        return len({_run_of(each["run_id"]) for each in first.manifests()}) == 2

    assert wait_for(have_both_committed, TIMEOUT_SECONDS)
    os.killpg(jobs[0].process.pid, signal.SIGKILL)
    jobs[0].wait(TIMEOUT_SECONDS)
    sent += server.publish(first.published.topic, envelopes(500, 7))
    assert wait_for(lambda: first.message_ids() >= set(sent), TIMEOUT_SECONDS)
    jobs[1].process.send_signal(signal.SIGTERM)
    assert jobs[1].wait(TIMEOUT_SECONDS) == 128 + signal.SIGTERM
    rows = Counter(row["message_id"] for row in first.rows())
    assert set(rows) == set(sent)
    print(f"{len(rows):,} messages, {rows.total() - len(rows):,} rows twice")
    assert job_status("inspect", first.output).code == 0


def _run_of(run_id: str) -> str:
    return run_id.split("-")[3]
