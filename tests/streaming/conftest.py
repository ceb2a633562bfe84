"""What the tests of the command on Pub/Sub share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pubsub import Server
from tests.streaming.command import Place


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backlog", type=int, help="messages of the long backlog that is drained in one test"
    )
    parser.addoption("--minutes", type=float, help="how long each test of test_soak.py runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives each soak the time that it was asked to take, on top of the limit of every test."""
    minutes = config.getoption("--minutes", None) or 0
    for item in items:
        if "test_soak.py" in item.nodeid:
            item.add_marker(pytest.mark.timeout(60 * minutes + 600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures that tests recorded, those of other processes included."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    """A subscription of its own, and an empty directory."""
    return Place(server, server.create(), tmp_path)
