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


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    """A subscription of its own, and an empty directory."""
    return Place(server, server.create(), tmp_path)
