"""An error for people survives the way through an engine, of which only text arrives."""

from __future__ import annotations

import pickle
import traceback

import pytest

from schemas.errors import (
    ForeignPathError,
    InputError,
    JobStatusError,
    OutputError,
    UsageError,
)
from transforms.local.worker_errors import WorkerError, preserve_error_type, preserved_error

KINDS = [JobStatusError, InputError, OutputError, ForeignPathError, UsageError]


def _raised(error: Exception) -> BaseException:
    try:
        with preserve_error_type():
            raise error
    except Exception as carried:
        return carried


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hint", [None, "make room"])
@pytest.mark.parametrize("message", ["disk full", "cannot write /tmp/[a] – 'b'\n\"c\": é\\n"])
def test_kind_message_and_hint_arrive(
    kind: type[JobStatusError], message: str, hint: str | None
) -> None:
    told = preserved_error(str(_raised(kind(message, hint))))
    assert type(told) is kind
    assert told is not None
    assert (told.message, told.hint, told.exit_code) == (message, hint, kind.exit_code)


def test_they_arrive_in_the_text_of_a_traceback_and_through_a_pickle() -> None:
    error = pickle.loads(pickle.dumps(_raised(OutputError("disk full", "make room"))))
    wrapped = RuntimeError(f"bundle failed: {''.join(traceback.format_exception(error))} [while]")
    told = preserved_error(str(wrapped))
    assert told is not None
    assert (type(told), told.message, told.hint) == (OutputError, "disk full", "make room")


def test_the_last_of_several_counts() -> None:
    texts = [str(_raised(kind(kind.__name__))) for kind in KINDS]
    told = preserved_error("\n".join(texts))
    assert told is not None
    assert told.message == KINDS[-1].__name__


def test_the_message_can_be_read_in_the_text_itself() -> None:
    assert str(_raised(OutputError("disk full"))).startswith("disk full [")


def test_the_text_of_another_error_carries_nothing() -> None:
    assert preserved_error("ValueError: [job-status is no mark]") is None


def test_other_exceptions_pass_as_they_are() -> None:
    error = KeyError("bug")
    assert _raised(error) is error


def test_a_carried_error_is_no_job_status_error_to_the_engine() -> None:
    assert isinstance(_raised(InputError("gone")), WorkerError)
