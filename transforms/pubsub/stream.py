"""Pulls from a subscription without end, as a splittable DoFn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.errors import InputError
from transforms.blocks import RawBlock
from transforms.local import STOP_CHECK_SECONDS, LocalRun, preserve_error_type
from transforms.pubsub.commit_window import CommitWindow, WindowLimits
from transforms.pubsub.leases import leases_of
from transforms.pubsub.messages import BlockBuilder, Message
from transforms.pubsub.metrics import record_block, record_pull, record_retries
from transforms.pubsub.pull import PullSettings
from transforms.pubsub.receiver import Receiver

_BUNDLE_SECONDS = 1.0
_BUNDLE_BYTES = 32 << 20
_PULLING, _ENDED = 1, 0


class _PullTracker(RestrictionTracker):
    """Tracks whether the pull goes on or has ended.

    Runners split long work. Only the whole rest can be split off: any other split would make two
    readers of one.
    """

    def __init__(self, state: int) -> None:
        self._state = state

    def current_restriction(self) -> int:
        return self._state

    def try_claim(self, position: int) -> bool:
        if self._state == _ENDED:
            return False
        self._state = position
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[int, int] | None:
        if fraction_of_remainder or self._state == _ENDED:
            return None
        self._state = _ENDED
        return _ENDED, _PULLING

    def check_done(self) -> None:
        if self._state != _ENDED:
            raise ValueError("the reader returned, but did not defer the rest of its work")

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=0.0, remaining=1.0)

    def is_bounded(self) -> bool:
        return False


class _PullRestrictions(RestrictionProvider):
    def initial_restriction(self, element: str) -> int:
        return _PULLING

    def create_tracker(self, restriction: int) -> _PullTracker:
        return _PullTracker(restriction)

    def restriction_size(self, element: str, restriction: int) -> int:
        return 1


_RESTRICTION = beam.DoFn.RestrictionParam(_PullRestrictions())
_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())

_receivers: dict[tuple[str, PullSettings], Receiver] = {}
"""The receivers of this process. A runner can make several instances of a DoFn, and all of them
have to pass on what was pulled."""

_receivers_lock = threading.Lock()


@beam.DoFn.unbounded_per_element()
class StreamPull(beam.DoFn):
    """Passes on for a second in each bundle what arrives: later steps get it when a bundle ends.

    The time of a block is that of its commit window, and so is the watermark.
    """

    def __init__(self, settings: PullSettings, limits: WindowLimits, local_run: LocalRun) -> None:
        self._settings = settings
        self._limits = limits
        self._local_run = local_run

    def setup(self) -> None:
        self._window: CommitWindow | None = None

    def process(
        self, name: str, tracker: Any = _RESTRICTION, watermark: Any = _WATERMARK
    ) -> Iterator[TimestampedValue]:
        if not tracker.try_claim(_PULLING):
            return
        before = watermark.current_watermark()
        second = None if before is None else before.seconds()
        if self._window is None or self._window.second != second:
            self._window = CommitWindow(self._limits, second)
        with preserve_error_type():
            yield from self._timed_blocks(name)
        if self._window.seconds_left == 0.0:
            self._window = self._window.following()
        watermark.set_watermark(Timestamp(self._window.second))
        if self._is_over():
            tracker.try_claim(_ENDED)
        else:
            tracker.defer_remainder()

    def _timed_blocks(self, name: str) -> Iterator[TimestampedValue]:
        assert self._window is not None
        builder = BlockBuilder(name, self._settings.max_event_bytes)
        for messages in self._messages(name):
            for message in messages:
                for block in builder.add([message]):
                    yield self._timed(block)
                self._window.add(len(message.data))
                if self._window.seconds_left == 0.0:
                    yield from map(self._timed, builder.flush())
                    self._window = self._window.following()
        yield from map(self._timed, builder.flush())

    def _timed(self, block: RawBlock) -> TimestampedValue:
        assert self._window is not None
        record_block(block, self._local_run)
        return TimestampedValue(block, Timestamp(self._window.second))

    def _messages(self, name: str) -> Iterator[list[Message]]:
        """Yields what arrives in the time of a bundle; after a stop or an error, all that is left.

        An error ends the stream in order: what was pulled is committed and acknowledged first.
        """
        assert self._window is not None
        receiver = _receiver_of(name, self._settings, self._local_run)
        end = time.monotonic() + min(_BUNDLE_SECONDS, self._window.seconds_left)
        room = _BUNDLE_BYTES
        try:
            while room > 0 and not self._is_over() and (left := end - time.monotonic()) > 0:
                messages = receiver.take(min(left, STOP_CHECK_SECONDS))
                record_pull(messages, self._local_run)
                room -= sum(len(message.data) for message in messages)
                yield messages
        except InputError as error:
            self._local_run.fail(error)
        record_retries(receiver.take_retries(), self._local_run)
        if self._is_over():
            # After an error, the other pulls are waited for; after a stop, they are given back.
            for messages in receiver.stop(waits=not self._settings.retry.is_stopped()):
                record_pull(messages, self._local_run)
                yield messages
            _receivers.pop((name, self._settings), None)

    def _is_over(self) -> bool:
        return self._settings.retry.is_stopped() or self._local_run.failure() is not None


def _receiver_of(name: str, settings: PullSettings, local_run: LocalRun) -> Receiver:
    with _receivers_lock:
        receiver = _receivers.get((name, settings))
        if receiver is None:
            leases = leases_of(name, settings.lease_seconds, keeps=not local_run.is_remote)
            receiver = _receivers[name, settings] = Receiver(leases, settings)
        return receiver
