"""Options and fixtures of the tests of the command on Pub/Sub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.pubsub import Published, Server
from tests.streaming.command import Place
from transforms.pubsub.client import Subscription


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backlog", type=int, help="messages of the long backlog that is drained in one test"
    )
    parser.addoption("--minutes", type=float, help="how long each test of test_soak.py runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Extends the time limit of each soak by its duration."""
    minutes = config.getoption("--minutes", None) or 0
    for item in items:
        if "test_soak.py" in item.nodeid:
            item.add_marker(pytest.mark.timeout(60 * minutes + 600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures that tests recorded, also in other test processes."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    """A new subscription and an empty directory."""
    return Place(server, server.create(), tmp_path)


@pytest.fixture
def end_leases(published: Published, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Ends the leases of all messages that this process has pulled, and returns their number."""
    pulled: list[str] = []
    extend = Subscription.extend

    def extend_and_record(self: Subscription, ack_ids: Sequence[str], *more: Any) -> None:
        pulled.extend(ack_ids)
        extend(self, ack_ids, *more)

    def end() -> int:
        extend(Subscription(published.subscription), pulled, 0)
        return len(pulled)

    monkeypatch.setattr(Subscription, "extend", extend_and_record)
    return end
