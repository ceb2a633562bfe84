"""What the tests of Pub/Sub share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import pubsub


@pytest.fixture(scope="session")
def server() -> Iterator[pubsub.Server]:
    """A Pub/Sub server."""
    with pubsub.running_server() as running:
        yield running


@pytest.fixture
def published(server: pubsub.Server, monkeypatch: pytest.MonkeyPatch) -> pubsub.Published:
    """A topic and a subscription of their own, on the server that every client asks."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
    return server.create()
