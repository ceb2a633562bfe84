"""The few calls to Pub/Sub that are needed; errors are sorted by what can be done about them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from schemas.errors import InputError, UsageError
from transforms.blocks import MessageInfo
from transforms.local import install_beam_extra
from transforms.pubsub.messages import Message

MAX_MESSAGES = 1000
"""Most messages of a pull."""

_CALL_SECONDS = 30.0
_MOST_OF_IT = 0.9
_MAX_IDS_BYTES = 400_000
"""Of the ack ids in a request: the service accepts 512 KiB."""

_NAME = re.compile(r"projects/[^/]+/(subscriptions|topics)/[^/]+")
_EMULATOR = "PUBSUB_EMULATOR_HOST"


class PubSubUnavailableError(Exception):
    """The server cannot answer now, or is cut off; the same call may go through later."""


def checked_name(name: str, kind: str) -> str:
    """The full name of a subscription or a topic.

    Args:
        name: As it was given.
        kind: subscription or topic.

    Raises:
        UsageError: It is no such name.
    """
    found = _NAME.fullmatch(name)
    if found is None or found[1] != f"{kind}s":
        raise UsageError(
            f"--input_{kind} {name} is not the full name of a {kind}",
            f"it has the form projects/PROJECT/{kind}s/NAME",
        )
    return name


def check_installed() -> None:
    """Looks whether the client library is there.

    Raises:
        UsageError: It is not.
    """
    try:
        import google.cloud.pubsub_v1  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "reading from Pub/Sub needs Google's client library, which is not installed",
            install_beam_extra("gcp"),
        ) from error


class Subscription:
    """A subscription; its calls can be made from several threads.

    Args:
        name: Its full name. With PUBSUB_EMULATOR_HOST set, the emulator there is asked.

    Raises:
        UsageError: The client library is missing, or no credentials are found.
    """

    def __init__(self, name: str) -> None:
        check_installed()
        self.name = name
        self._client = _client()

    def look(self) -> str:
        """Looks whether the subscription is there, and says what the service tells of it.

        Raises:
            AwayError: The server cannot answer now.
            InputError: There is no such subscription.
        """
        from google.api_core.exceptions import Forbidden

        request = {"subscription": self.name}
        with _sorted_errors(self.name):
            try:
                found = self._client.get_subscription(
                    request=request, retry=None, timeout=_CALL_SECONDS
                )
            except Forbidden:
                # The role that is needed to pull does not allow to look.
                return "which this account may not look at"
        return f"of {found.topic}"

    def pull(self, max_messages: int, seconds: float) -> list[Message]:
        """Pulls messages.

        Args:
            max_messages: Most that are wanted.
            seconds: How long the server may wait for the first.

        Raises:
            AwayError: The server cannot answer now.
            InputError: It refuses, and will.
        """
        from google.api_core.exceptions import Cancelled, DeadlineExceeded

        start = time.monotonic()
        request = {"subscription": self.name, "max_messages": max_messages}
        with _sorted_errors(self.name):
            try:
                response = self._client.pull(request=request, retry=None, timeout=seconds)
            except (DeadlineExceeded, Cancelled) as error:
                # That is how the service says that there is nothing to be had. It counts the same
                # seconds, and cuts the call off itself where it is the first to see them pass.
                has_passed = time.monotonic() - start > _MOST_OF_IT * seconds
                if isinstance(error, DeadlineExceeded) or has_passed:
                    return []
                raise
        # The plain messages: their wrappers cost ten times as much to read.
        pulled = type(response).pb(response).received_messages
        return [_message(each.message, each.ack_id) for each in pulled]

    def extend(self, ack_ids: Sequence[str], seconds: int) -> None:
        """Sets the lease of messages to `seconds` from now; one that ran out already is no error.

        Raises:
            AwayError: The server cannot answer now.
            InputError: It refuses, and will.
        """
        for batch in batches(ack_ids):
            request = {
                "subscription": self.name,
                "ack_ids": batch,
                "ack_deadline_seconds": seconds,
            }
            self._call(self._client.modify_ack_deadline, request)

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Acknowledges messages; one that is acknowledged already or no longer leased is no error.

        Raises:
            AwayError: The server cannot answer now.
            InputError: It refuses, and will.
        """
        for batch in batches(ack_ids):
            request = {"subscription": self.name, "ack_ids": batch}
            self._call(self._client.acknowledge, request)

    def close(self) -> None:
        """Closes the connection."""
        self._client.transport.close()

    def _call(self, call: Callable[..., Any], request: dict[str, Any]) -> None:
        from google.api_core.exceptions import FailedPrecondition, InvalidArgument

        # With exactly-once delivery the service refuses ids whose lease ran out. The others of the
        # request are done, and these messages come again.
        with _sorted_errors(self.name), suppress(FailedPrecondition, InvalidArgument):
            call(request=request, retry=None, timeout=_CALL_SECONDS)


def batches(ack_ids: Sequence[str]) -> Iterator[list[str]]:
    """Splits ack ids into what one request takes."""
    batch: list[str] = []
    size = 0
    for ack_id in ack_ids:
        if batch and (len(batch) >= MAX_MESSAGES or size + len(ack_id) > _MAX_IDS_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(ack_id)
        size += len(ack_id)
    if batch:
        yield batch


def _message(message: Any, ack_id: str) -> Message:
    published = message.publish_time
    info = MessageInfo(
        message.message_id,
        published.seconds * 1_000_000 + published.nanos // 1000,
        dict(message.attributes),
    )
    return Message(message.data, info, ack_id)


def _client() -> Any:
    from google.auth.exceptions import DefaultCredentialsError
    from google.pubsub_v1 import SubscriberClient

    emulator = os.environ.get(_EMULATOR)
    try:
        return SubscriberClient(transport=_to_emulator(emulator) if emulator else None)
    except DefaultCredentialsError as error:
        raise UsageError(
            "no credentials for Pub/Sub are found",
            f"gcloud auth application-default login, or {_EMULATOR}=HOST:PORT for an emulator",
        ) from error


def _to_emulator(address: str) -> Any:
    import grpc
    from google.pubsub_v1.services.subscriber.transports.grpc import SubscriberGrpcTransport

    options = [
        # The library's own connection to an emulator takes no answer of over 4 MiB.
        ("grpc.max_receive_message_length", -1),
        # By itself a connection that is refused is not tried again for up to two minutes.
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    return SubscriberGrpcTransport(channel=grpc.insecure_channel(address, options=options))


@contextmanager
def _sorted_errors(name: str) -> Iterator[None]:
    from google.api_core import exceptions
    from google.auth.exceptions import RefreshError, TransportError

    away = (
        exceptions.ServerError,
        exceptions.TooManyRequests,
        exceptions.Aborted,
        exceptions.Cancelled,
        TransportError,
    )
    try:
        yield
    except away as error:
        raise PubSubUnavailableError(type(error).__name__) from error
    except exceptions.NotFound as error:
        raise InputError(
            f"there is no subscription {name}", "create it first, or check its name"
        ) from error
    except (exceptions.Forbidden, exceptions.Unauthenticated, RefreshError) as error:
        raise InputError(
            f"not allowed to use the subscription {name} ({type(error).__name__})",
            "the role roles/pubsub.subscriber is needed on it",
        ) from error
    except exceptions.GoogleAPICallError as error:
        raise InputError(
            f"the subscription {name} cannot be used ({type(error).__name__})",
            "messages that are pushed or exported, for example, cannot be pulled",
        ) from error
