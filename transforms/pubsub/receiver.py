"""Pulls in the background, so that a message is handed on while other pulls still wait for theirs.

The service holds a pull until there is a message. A bundle that waited for all of its pulls would
end, and pass on its messages, only when the slowest of them does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from schemas.errors import InputError
from transforms.local import STOP_CHECK_SECONDS
from transforms.pubsub.client import PubSubUnavailableError
from transforms.pubsub.leases import Leases, LeasesClosedError
from transforms.pubsub.messages import Message, message_bytes
from transforms.pubsub.pull import PullSettings, PullSize

_LOGGER = logging.getLogger(__name__)

_PULL_SECONDS = 30.0
"""The timeout of a pull. Messages that the server sends when it ends are lost until the
subscription's own lease ends, so it ends rarely, and later than any answer."""

_ANSWER_SECONDS = 1.0, 5.0
"""The least and the most time in which a server with messages answers: twice as long as it took
before. After that, a pull without an answer counts as held."""

_LATE_SECONDS = 1.0
"""A message that arrives this long after it was published, and after the last pull, was held up."""

_UNUSED_SECONDS = 20.0
"""A runner can move the reader to another process. Nobody takes messages from this one then."""

_IMMEDIATE_SECONDS = 0.05


class _StoppedPullingError(Exception):
    pass


class Receiver:
    """Pulls with concurrent calls, and holds the messages until they are taken.

    It pulls while the messages that wait to be taken, and all that are not acknowledged, are within
    the limits of the settings.

    Attributes:
        is_failing: Whether the server could not answer the last call.
    """

    def __init__(self, leases: Leases, settings: PullSettings) -> None:
        self._leases = leases
        self._settings = settings
        self._size = PullSize(settings.puller_bytes)
        self._changed = threading.Condition()
        self._arrived: deque[list[Message]] = deque()
        self._bytes = 0
        self._pulls: dict[threading.Thread, float] = {}
        self._failure: InputError | None = None
        self._retries = 0
        self._is_stopping = False
        self._answer_seconds = _ANSWER_SECONDS[1]
        self._found_empty_at = float("-inf")
        self._late: Callable[[int], object] | None = None
        self._taken_at = time.monotonic()
        self.is_failing = False
        for number in range(settings.pullers):
            threading.Thread(target=self._run, name=f"puller-{number}", daemon=True).start()

    def take(self, seconds: float) -> list[Message]:
        """Returns the messages of one pull, or none if none arrive within some seconds.

        Raises:
            InputError: The subscription cannot be used, or the server did not answer for as long as
                calls are retried. All messages that arrived were taken before.
        """
        with self._changed:
            self._taken_at = time.monotonic()
            self._changed.wait_for(lambda: self._arrived or self._failure, seconds)
            if not self._arrived and self._failure:
                raise self._failure
            messages = self._next()
        return self._handed_on(messages)

    def is_empty_since(self, moment: float) -> bool:
        """Returns whether the subscription had no message at a time of the monotonic clock."""
        with self._changed:
            held_since = [max(start, moment) for start in self._pulls.values()]
            now = time.monotonic()
            is_held = any(now - since > self._answer_seconds for since in held_since)
            return not self._arrived and (is_held or self._found_empty_at > moment)

    def take_retries(self) -> int:
        """Returns the number of retries since the last call."""
        with self._changed:
            retries, self._retries = self._retries, 0
            return retries

    def stop(
        self, late: Callable[[int], object] = int, *, waits: bool = True
    ) -> Iterator[list[Message]]:
        """Starts no more pulls, and yields the messages of those that have started.

        It waits for a pull as long as an answer can take. If the pull is answered later, its
        messages are given back, and `late` is called with the number of those that were published
        long before the stop.
        """
        seconds = self._answer_seconds if waits else 0.0
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        while messages := self._next_of_last(seconds):
            yield self._handed_on(messages)
        with self._changed:
            self._stopped_at = time.time()
            self._late = late

    def _handed_on(self, messages: list[Message]) -> list[Message]:
        try:
            self._leases.hand_on(messages)
        except PubSubUnavailableError as error:
            _LOGGER.warning(
                "%d messages come again, as Pub/Sub cannot answer (%s)", len(messages), error
            )
            return []
        return messages

    def _next_of_last(self, seconds: float) -> list[Message]:
        with self._changed:
            while not self._arrived and self._pulls:
                left = max(self._pulls.values()) + seconds - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return self._next()

    def _next(self) -> list[Message]:
        if not self._arrived:
            return []
        messages = self._arrived.popleft()
        self._bytes -= sum(map(message_bytes, messages))
        self._changed.notify_all()
        return messages

    def _run(self) -> None:
        retry = self._settings.retry
        try:
            while True:
                self._wait_for_room()
                retry.call(self._pull, PubSubUnavailableError, self._record_retry)
        except (_StoppedPullingError, LeasesClosedError):
            pass
        except PubSubUnavailableError as error:
            self._fail(error.final(retry.seconds))
        except InputError as error:
            self._fail(error)
        except Exception as error:
            if not self._leases.is_closed:
                self._fail(InputError(f"pulling failed ({type(error).__name__})"))

    def _fail(self, error: InputError) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._is_stopping = True
            self._changed.notify_all()

    def _record_retry(self, error: Exception, wait: float) -> None:
        self._check_running()
        _LOGGER.warning("Pub/Sub cannot answer now (%s); trying again in %.1f s", error, wait)
        with self._changed:
            self.is_failing = True
            self._retries += 1

    def _pull(self) -> None:
        thread = threading.current_thread()
        start = time.monotonic()
        try:
            with self._changed:
                self._check_running()
                self._pulls[thread] = start
            messages = self._leases.pulls.pull(self._size.max_messages(), _PULL_SECONDS)
            if messages:
                self._size.observe([message_bytes(each) for each in messages])
                least, most = _ANSWER_SECONDS
                self._answer_seconds = min(max(least, 2 * (time.monotonic() - start)), most)
                # If this fails, the messages are dropped, and the server delivers them again.
                self._leases.hold(messages)
            else:
                self._found_empty_at = start
                if time.monotonic() - start < _IMMEDIATE_SECONDS:
                    time.sleep(_IMMEDIATE_SECONDS)
            self.is_failing = False
            self._add(messages)
        finally:
            with self._changed:
                self._pulls.pop(thread, None)
                self._changed.notify_all()

    def _add(self, messages: list[Message]) -> None:
        with self._changed:
            if messages and self._late is None:
                self._arrived.append(messages)
                self._bytes += sum(map(message_bytes, messages))
                self._changed.notify_all()
                return
        if messages and self._late is not None:
            self._leases.give_back([each.ack_id for each in messages])
            before = (self._stopped_at - _LATE_SECONDS) * 1e6
            if count := sum(each.info.publish_time < before for each in messages):
                self._late(count)

    def _wait_for_room(self) -> None:
        """Waits until another pull may start; raises _StoppedPullingError after a stop."""
        while True:
            with self._changed:
                self._check_running()
                unused = self._take_unused()
                if not unused and self._has_room():
                    return
                self._changed.wait(STOP_CHECK_SECONDS)
            if unused:
                self._leases.give_back([each.ack_id for each in unused])

    def _check_running(self) -> None:
        is_over = self._leases.is_closed or self._settings.retry.is_stopped()
        if self._is_stopping or is_over:
            raise _StoppedPullingError

    def _has_room(self) -> bool:
        is_used = time.monotonic() - self._taken_at < _UNUSED_SECONDS
        is_small = self._bytes < self._settings.puller_bytes
        is_short = len(self._arrived) < self._settings.pullers
        is_within = is_small and is_short and self._leases.bytes < self._settings.held_bytes
        return is_used and is_within

    def _take_unused(self) -> list[Message]:
        if time.monotonic() - self._taken_at < _UNUSED_SECONDS:
            return []
        unused = [message for messages in self._arrived for message in messages]
        self._arrived.clear()
        self._bytes = 0
        return unused
