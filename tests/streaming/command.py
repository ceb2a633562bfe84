"""Runs the real command on a subscription, and reads its output."""

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

TIMEOUT_SECONDS = 180
"""The longest wait for an event; far longer than needed."""

DRAIN = ("--drain", "--idle_seconds", "1")


def streaming(*more: str) -> tuple[str, ...]:
    """Returns the arguments of a stream on Prism with windows of two seconds."""
    return ("--streaming", "--window_seconds", "2", *on_prism()[1:], *more)


def on_prism() -> tuple[str, ...]:
    """Returns the arguments that select the Prism runner of the tests."""
    return ("--runner=PrismRunner", f"--prism_location={component_path('prism')}")


@dataclass(frozen=True)
class Place:
    """The subscription that a command reads, and the directory that it writes.

    Attributes:
        server: The server of the subscription.
        published: The subscription, with its topic.
        directory: The directory of the output, the report and the log.
    """

    server: Server
    published: Published
    directory: Path

    @property
    def output(self) -> Path:
        """The output directory."""
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
            arguments: In addition to the subscription, the output and the report.
            slowed: Slows down the commits.
            gate: Holds the command at a step.
            address: The address of the server, if not its own.
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
        """Returns the report of the last command that ended."""
        return json.loads((self.directory / "report.json").read_bytes())

    def log(self) -> str:
        """Returns the stderr of the last command, which may not have begun yet."""
        log = self.directory / "log"
        return log.read_text() if log.exists() else ""

    def manifests(self) -> list[dict[str, Any]]:
        """Returns all committed manifests."""
        paths = sorted((self.output / "_manifest").glob("*.json"))
        return [json.loads(path.read_bytes()) for path in paths if path.name.count(".") == 1]

    def rows(self) -> Records:
        """Returns the records of both outputs."""
        return records_of(self.output) + records_of(self.output, "dead_letter")

    def message_ids(self) -> set[str]:
        """Returns the message ids of both outputs."""
        return {row["message_id"] for row in self.rows()}

    def wait_until_read(self, events: int, job: Job) -> None:
        """Waits until that many events are committed."""

        def is_read() -> bool:
            assert job.is_running, self.log()
            return sum(each["read"] for each in self.manifests()) >= events

        assert wait_for(is_read, TIMEOUT_SECONDS), self.log()

    def wait_for_new(self, pattern: str, job: Job, before: AbstractSet[Path]) -> None:
        """Waits for a new file in the output that matches a pattern."""

        def is_there() -> bool:
            assert job.is_running, self.log()
            return not set(self.output.glob(pattern)) <= before

        assert wait_for(is_there, TIMEOUT_SECONDS), self.log()

    def pull_the_rest(self, sent: Sequence[str], seconds: float) -> set[str]:
        """Pulls until every message is in an output or was pulled; returns the pulled ids."""
        missing = set(sent) - self.message_ids()
        pulled: set[str] = set()

        def is_complete() -> bool:
            pulled.update(self.server.pull(self.published.subscription))
            return missing <= pulled

        assert wait_for(is_complete, seconds), f"{len(missing - pulled)} messages are lost"
        return pulled

    def pull_at(self, moment: float) -> set[str]:
        """Waits until a time of the monotonic clock, and returns the ids of available messages."""
        time.sleep(max(0.0, moment - time.monotonic()))
        return set(self.server.pull(self.published.subscription))
