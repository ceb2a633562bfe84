"""A Pub/Sub server for tests, and a proxy that can break the connections to it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from tests.components import component_path

PROJECT = "projects/job-status-tests"
_BATCH = 1000
_BATCH_BYTES = 8_000_000


class Published(NamedTuple):
    """A topic with one subscription.

    Attributes:
        topic: Its full name.
        subscription: Its full name.
    """

    topic: str
    subscription: str


def is_available() -> bool:
    """Returns whether the client library and an emulator are available."""
    try:
        has_client = importlib.util.find_spec("google.cloud.pubsub_v1") is not None
    except ModuleNotFoundError:
        has_client = False
    given = os.environ.get("PUBSUB_EMULATOR_HOST")
    return has_client and bool(given or component_path("pubsub_emulator"))


@contextmanager
def running_server() -> Iterator[Server]:
    """Yields the server at PUBSUB_EMULATOR_HOST, or starts the emulator of the tests."""
    given = os.environ.get("PUBSUB_EMULATOR_HOST")
    if given:
        yield Server(given)
        return
    path = component_path("pubsub_emulator")
    assert path is not None
    process = subprocess.Popen([path, "-address", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(process.stdout.readline().split()[1])
    finally:
        process.terminate()
        process.wait()


class Server:
    """A Pub/Sub server.

    Args:
        address: HOST:PORT.
    """

    def __init__(self, address: str) -> None:
        import grpc
        from google.pubsub_v1 import PublisherClient, SubscriberClient
        from google.pubsub_v1.services.publisher.transports.grpc import PublisherGrpcTransport
        from google.pubsub_v1.services.subscriber.transports.grpc import SubscriberGrpcTransport

        self.address = address
        channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))

    def create(self, subscription: str | None = None, lease_seconds: int = 10) -> Published:
        """Creates a topic and a subscription to it.

        Args:
            subscription: Its full name; the default is a unique name.
            lease_seconds: The subscription's own lease, 10 at least.
        """
        unique = uuid.uuid4().hex[:12]
        name = subscription or f"{PROJECT}/subscriptions/s-{unique}"
        topic = f"{name.partition('/subscriptions/')[0]}/topics/t-{unique}"
        self._publisher.create_topic(name=topic)
        self._subscriber.create_subscription(
            request={"name": name, "topic": topic, "ack_deadline_seconds": lease_seconds}
        )
        return Published(topic, name)

    def delete(self, subscription: str) -> None:
        """Deletes a subscription."""
        self._subscriber.delete_subscription(subscription=subscription)

    def publish(
        self, topic: str, payloads: Sequence[bytes], attributes: Mapping[str, str] | None = None
    ) -> list[str]:
        """Publishes messages that share their attributes, and returns their ids."""
        return self.publish_each(topic, [(payload, attributes or {}) for payload in payloads])

    def publish_each(
        self, topic: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]
    ) -> list[str]:
        """Publishes messages, given as payload and attributes, and returns their ids."""
        ids: list[str] = []
        batch: list[dict[str, Any]] = []
        size = 0
        for payload, attributes in messages:
            if batch and (len(batch) >= _BATCH or size + len(payload) > _BATCH_BYTES):
                ids += self._publish(topic, batch)
                batch, size = [], 0
            # The service rejects a message that has neither a payload nor attributes.
            batch.append({"data": payload, "attributes": attributes})
            size += len(payload)
        return ids + self._publish(topic, batch)

    def _publish(self, topic: str, messages: list[dict[str, Any]]) -> list[str]:
        if not messages:
            return []
        response = self._publisher.publish(request={"topic": topic, "messages": messages})
        return list(response.message_ids)

    def count_available(self, subscription: str) -> int:
        """Pulls all messages that are not leased now, and returns their number."""
        return len(self.pull(subscription))

    def pull(self, subscription: str) -> list[str]:
        """Pulls all messages that are not leased now, and returns their ids."""
        ids: list[str] = []
        while True:
            response = self._subscriber.pull(
                request={"subscription": subscription, "max_messages": _BATCH}, timeout=60
            )
            if not response.received_messages:
                return ids
            ids += [each.message.message_id for each in response.received_messages]


class Proxy:
    """Forwards connections to a server, and can break them. Its own address stays the same.

    Args:
        address: The address of the server.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = host, int(port)
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._port = 0
        self.connect()
        self.address = f"127.0.0.1:{self._port}"

    def connect(self) -> None:
        """Accepts connections."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def disconnect(self) -> None:
        """Rejects new connections and breaks the existing ones."""
        if self._listener is not None:
            # close() alone would leave the thread in accept(), and the port in use.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def wait_for(condition: Callable[[], bool], seconds: float, poll_seconds: float = 0.05) -> bool:
    """Waits until a condition holds; returns False if it did not hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(poll_seconds)
    return condition()
