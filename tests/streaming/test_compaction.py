"""A stream that writes all along loses nothing to compactions of its output."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import records_of
from tests.kills.command import left_over
from tests.pipeline.command import job_status, run
from tests.streaming.command import TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

WAVES, WAVE = 6, 300


def _identities(lines: Sequence[bytes], directory: Path) -> set[str]:
    """Returns the identities of all events, as a run on a file gives them."""
    (directory / "lines.jsonl").write_bytes(b"\n".join(lines))
    output = directory / "of_file"
    assert run("--input", directory / "lines.jsonl", "--output", output).code == 0
    return {record["event_id"] for record in records_of(output)}


def test_a_stream_loses_nothing_to_compactions(place: Place) -> None:
    job = place.start(streaming())
    lines = envelopes(WAVES * WAVE, 1)
    sent: list[str] = []
    for wave in range(WAVES):
        new = lines[wave * WAVE : (wave + 1) * WAVE]
        # A third is sent twice.
        sent += place.server.publish(place.published.topic, [*new, *new[::3]])
        place.wait_until_read(len(sent), job)
        time.sleep(2)
        said = job_status("compact", place.output, "--older_than", "1s")
        assert said.code == 0, said.err
    assert job.is_running, place.log()
    job.process.send_signal(signal.SIGTERM)
    assert job.wait(TIMEOUT_SECONDS) == 128 + signal.SIGTERM
    assert sum(each["read"] for each in place.manifests()) == len(sent)
    assert job_status("compact", place.output, "--older_than", "0s").code == 0
    counts = Counter(record["event_id"] for record in records_of(place.output))
    assert set(counts.values()) == {1}
    assert counts.keys() == _identities(lines, place.directory)
    assert len(place.manifests()) == 1
    assert job_status("inspect", place.output).code == 0
    assert left_over(place.output) == []
