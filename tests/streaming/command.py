"""The real command on a subscription, and what it left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.components import component_path
from tests.conftest import Records, records_of
from tests.kills.command import Job
from tests.kills.gate import Gate
from tests.pubsub import Published, Server, wait_for

SECONDS_TO_COME = 180
"""How long to wait for what must come; far longer than it takes."""

DRAIN = ("--drain", "--idle_seconds", "2")


def streaming(*more: str) -> tuple[str, ...]:
    """Arguments of a stream that commits often."""
    return ("--streaming", "--window_seconds", "2", *on_prism()[1:], *more)


def on_prism() -> tuple[str, ...]:
    """Arguments that choose the Prism engine of the tests."""
    return ("--runner=PrismRunner", f"--prism_location={component_path('prism')}")


@dataclass(frozen=True)
class Place:
    """Where a command reads and writes.

    Attributes:
        server: Where the subscription is.
        published: The subscription, with its topic.
        directory: Of the output, the report and the log.
    """

    server: Server
    published: Published
    directory: Path

    @property
    def output(self) -> Path:
        """The output."""
        return self.directory / "out"

    def start(
        self,
        arguments: Sequence[str],
        *,
        slowed: bool = False,
        gate: Gate | None = None,
        address: str | None = None,
    ) -> Job:
        """Starts `job-status run` on the subscription.

        Args:
            arguments: Beside those that say where to read and write.
            slowed: Whether a commit takes its time.
            gate: Holds it at a step.
            address: Where to find the server, if not at its own address.
        """
        return Job(
            [
                *("run", "--input_subscription", self.published.subscription),
                *("--output", str(self.output), "--report", str(self.directory / "report.json")),
                *arguments,
            ],
            self.directory / "log",
            slowed=slowed,
            gate=gate,
            environment={"PUBSUB_EMULATOR_HOST": address or self.server.address},
        )

    def report(self) -> dict[str, Any]:
        """The report of the last command that ended."""
        return json.loads((self.directory / "report.json").read_bytes())

    def log(self) -> str:
        """What the last command said."""
        return (self.directory / "log").read_text()

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of all that was committed."""
        paths = sorted((self.output / "_manifest").glob("*.json"))
        return [json.loads(path.read_bytes()) for path in paths if path.name.count(".") == 1]

    def rows(self) -> Records:
        """All that is in both outputs."""
        return records_of(self.output) + records_of(self.output, "dead_letter")

    def message_ids(self) -> set[str]:
        """The messages that are in the outputs."""
        return {row["message_id"] for row in self.rows()}

    def wait_until_read(self, events: int, job: Job) -> None:
        """Waits until so many events are committed."""

        def is_read() -> bool:
            assert job.is_running, self.log()
            return sum(each["read"] for each in self.manifests()) >= events

        assert wait_for(is_read, SECONDS_TO_COME), self.log()

    def wait_for_new(self, pattern: str, job: Job, before: AbstractSet[Path]) -> None:
        """Waits for a file in the output that was not there before."""

        def is_there() -> bool:
            assert job.is_running, self.log()
            return not set(self.output.glob(pattern)) <= before

        assert wait_for(is_there, SECONDS_TO_COME), self.log()

    def pull_until_all_are_seen(self, sent: Sequence[str], seconds: float) -> set[str]:
        """Pulls until every message was in an output or came again; returns those that came."""
        missing = set(sent) - self.message_ids()
        came: set[str] = set()

        def all_seen() -> bool:
            came.update(self.server.pull(self.published.subscription))
            return missing <= came

        assert wait_for(all_seen, seconds), f"{len(missing - came)} messages are lost"
        return came

    def pull_until(self, moment: float) -> set[str]:
        """Pulls until a moment of the monotonic clock; returns the messages that came."""
        time.sleep(max(0.0, moment - time.monotonic()))
        return set(self.server.pull(self.published.subscription))
