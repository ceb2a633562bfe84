"""Calls the Pub/Sub service, and sorts its errors into retryable and final ones."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from schemas.errors import InputError, UsageError
from transforms.blocks import MessageInfo
from transforms.local import install_beam_extra
from transforms.pubsub.messages import Message

MAX_MESSAGES = 1000
"""The most messages in one request."""

_MAX_ACK_ID_BYTES = 400_000
"""The most bytes of ack ids in one request; the service accepts 512 KiB."""

_CALL_SECONDS = 30.0
_NAME = re.compile(r"projects/[^/]+/(subscriptions|topics)/[^/]+")
_EMULATOR = "PUBSUB_EMULATOR_HOST"
_EMULATOR_OPTIONS = (
    # The library's default connection to an emulator rejects answers of over 4 MiB.
    ("grpc.max_receive_message_length", -1),
    # By default gRPC waits up to two minutes before it tries a refused connection again.
    ("grpc.max_reconnect_backoff_ms", 5000),
)


class PubSubUnavailableError(Exception):
    """The server cannot answer now; the same call may succeed later."""

    def final(self, seconds: float) -> InputError:
        """Returns the error for a server that did not answer for some seconds."""
        return InputError(
            f"Pub/Sub did not answer for {seconds:.0f} seconds ({self})",
            "nothing is lost: run again when it is back",
        )


class PubSubUnauthenticatedError(PubSubUnavailableError):
    """The server does not accept the credentials; it may be a token that is about to be renewed."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self._name = name

    def final(self, seconds: float = 0.0) -> InputError:
        """Returns the error for credentials that are still not accepted."""
        return _not_allowed(self._name, str(self))


def checked_name(name: str, kind: str) -> str:
    """Returns the name; raises UsageError unless it is the full name of a `kind`.

    The kind is subscription or topic.
    """
    found = _NAME.fullmatch(name)
    if found is None or found[1] != f"{kind}s":
        raise UsageError(
            f"--input_{kind} {name} is not the full name of a {kind}",
            f"it has the form projects/PROJECT/{kind}s/NAME",
        )
    return name


def check_installed() -> None:
    """Raises UsageError if Google's client library is not installed."""
    try:
        import google.cloud.pubsub_v1  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "reading from Pub/Sub needs Google's client library, which is not installed",
            install_beam_extra("gcp"),
        ) from error


class Subscription:
    """A subscription whose methods can be called from several threads.

    Every method raises PubSubUnavailableError if the server cannot answer now, and InputError if
    the subscription does not exist or cannot be used.

    Args:
        name: Its full name. If PUBSUB_EMULATOR_HOST is set, the calls go to that emulator.

    Raises:
        UsageError: The client library or the credentials are missing.
    """

    def __init__(self, name: str) -> None:
        check_installed()
        self.name = name
        self._client = _client()

    def describe(self) -> str:
        """Checks that the subscription exists, and returns a phrase that names its topic."""
        from google.api_core.exceptions import Forbidden, Unauthenticated

        get = self._client.get_subscription
        with _translate_errors(self.name):
            try:
                found = get(subscription=self.name, retry=None, timeout=_CALL_SECONDS)
            except Forbidden:
                # The role that allows to pull does not allow to read the subscription's settings.
                return "whose topic this account may not see"
            except Unauthenticated as error:
                raise _not_allowed(self.name, type(error).__name__) from error
        return f"of {found.topic}"

    def pull(self, max_messages: int, seconds: float) -> list[Message]:
        """Pulls at most `max_messages`; none if the first does not arrive within `seconds`."""
        from google.api_core.exceptions import Cancelled, DeadlineExceeded

        start = time.monotonic()
        request = {"subscription": self.name, "max_messages": max_messages}
        with _translate_errors(self.name):
            try:
                response = self._client.pull(request=request, retry=None, timeout=seconds)
            except (DeadlineExceeded, Cancelled) as error:
                # An empty pull ends in DeadlineExceeded. The server knows the deadline too, and
                # cancels the call if it sees the deadline pass first.
                timed_out = time.monotonic() - start > 0.9 * seconds
                if isinstance(error, DeadlineExceeded) or timed_out:
                    return []
                raise
        # The plain protobuf messages: reading their wrappers is ten times as slow.
        pulled = type(response).pb(response).received_messages
        return [_message(each.message, each.ack_id) for each in pulled]

    def extend(self, ack_ids: Sequence[str], seconds: int, timeout: float = _CALL_SECONDS) -> None:
        """Sets the lease of messages to `seconds` from now; 0 returns them to the subscription.

        A lease that has ended already is not an error. `timeout` limits each call, in seconds.
        """
        extend = self._client.modify_ack_deadline
        for batch in split_ack_ids(ack_ids):
            self._call(extend, batch, timeout, ack_deadline_seconds=seconds)

    def acknowledge(self, ack_ids: list[str]) -> int:
        """Acknowledges a batch of `split_ack_ids`; an ended lease or a repetition is no error.

        Returns the number of messages for which the service refused that.
        """
        return self._call(self._client.acknowledge, ack_ids, _CALL_SECONDS)

    def close(self) -> None:
        """Closes the connection."""
        self._client.transport.close()

    def _call(
        self, call: Callable[..., Any], ack_ids: list[str], timeout: float, **fields: int
    ) -> int:
        from google.api_core.exceptions import FailedPrecondition, InvalidArgument

        request = {"subscription": self.name, "ack_ids": ack_ids, **fields}
        with _translate_errors(self.name):
            try:
                call(request=request, retry=None, timeout=timeout)
            except (FailedPrecondition, InvalidArgument) as error:
                # With exactly-once delivery the service refuses ids whose lease has ended, and
                # names them. It accepts the others, and delivers the refused messages again.
                return len(error.metadata or ack_ids)
        return 0


def split_ack_ids(ack_ids: Sequence[str]) -> Iterator[list[str]]:
    """Splits ack ids into batches that fit into one request each."""
    batch: list[str] = []
    size = 0
    for ack_id in ack_ids:
        if batch and (len(batch) >= MAX_MESSAGES or size + len(ack_id) > _MAX_ACK_ID_BYTES):
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
        return SubscriberClient(transport=_emulator_transport(emulator) if emulator else None)
    except DefaultCredentialsError as error:
        raise UsageError(
            "no credentials for Pub/Sub are found",
            f"gcloud auth application-default login, or {_EMULATOR}=HOST:PORT for an emulator",
        ) from error


def _emulator_transport(address: str) -> Any:
    import grpc
    from google.pubsub_v1.services.subscriber.transports.grpc import SubscriberGrpcTransport

    return SubscriberGrpcTransport(channel=grpc.insecure_channel(address, _EMULATOR_OPTIONS))


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    from google.api_core import exceptions
    from google.auth.exceptions import RefreshError, TransportError

    unavailable = (
        exceptions.ServerError,
        exceptions.TooManyRequests,
        exceptions.Aborted,
        exceptions.Cancelled,
        TransportError,
    )
    try:
        yield
    except unavailable as error:
        raise PubSubUnavailableError(type(error).__name__) from error
    except exceptions.NotFound as error:
        raise InputError(
            f"there is no subscription {name}", "create it first, or check its name"
        ) from error
    except (exceptions.Unauthenticated, RefreshError) as error:
        raise PubSubUnauthenticatedError(name, type(error).__name__) from error
    except exceptions.Forbidden as error:
        raise _not_allowed(name, type(error).__name__) from error
    except exceptions.GoogleAPICallError as error:
        raise InputError(
            f"the subscription {name} cannot be used ({type(error).__name__})",
            "messages that are pushed or exported, for example, cannot be pulled",
        ) from error


def _not_allowed(name: str, reason: str) -> InputError:
    return InputError(
        f"not allowed to use the subscription {name} ({reason})",
        "the role roles/pubsub.subscriber is needed on it",
    )
