"""The example of a streaming deployment commits messages until systemd stops it."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.examples import ROOT, user_environment
from tests.pubsub import Server, wait_for
from tests.streaming.command import TIMEOUT_SECONDS, Place, streaming
from tests.streaming.traffic import envelopes

pytestmark = [pytest.mark.needs("pubsub_emulator"), pytest.mark.needs("prism")]

EXAMPLE = ROOT / "examples" / "streaming"
MESSAGES = 50


def unit(key: str) -> list[str]:
    """Returns the words of a value of the systemd unit."""
    text = (EXAMPLE / "job-status.service").read_text("utf-8").replace("\\\n", " ")
    (value,) = re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
    return shlex.split(value)


def test_the_stream_commits_until_it_is_stopped(server: Server, tmp_path: Path) -> None:
    place = Place(server, server.create(), tmp_path)
    path, _, _, *options = unit("ExecStart")
    assert options == ["--metrics_port", "9090"]
    environment = {**user_environment(tmp_path), "PUBSUB_EMULATOR_HOST": server.address}
    command = [EXAMPLE / Path(path).name, place.published.subscription, place.output]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command), *streaming()[1:]], env=environment, stderr=log
        )
    try:
        server.publish(place.published.topic, [*envelopes(MESSAGES, 1)])

        def is_committed() -> bool:
            assert process.poll() is None, place.log()
            return sum(each["read"] for each in place.manifests()) == MESSAGES

        assert wait_for(is_committed, TIMEOUT_SECONDS), place.log()
        process.send_signal(signal.SIGTERM)
        assert [str(process.wait(TIMEOUT_SECONDS))] == unit("SuccessExitStatus")
    finally:
        process.kill()
        process.wait()
    assert all(json.loads(line) for line in place.log().splitlines())
