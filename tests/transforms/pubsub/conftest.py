"""A server that can go away, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pubsub import Proxy, Published, Server
from transforms.pubsub import client


@pytest.fixture
def proxy(server: Server, published: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy to the server. All clients use it, and reconnect at once when it is back."""
    proxy = Proxy(server.address)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", proxy.address)
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 100)]
    monkeypatch.setattr(client, "_EMULATOR_OPTIONS", options)
    yield proxy
    proxy.disconnect()
