"""A user-facing error survives a runner that passes on only text."""

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
    except Exception as raised:
        return raised


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hint", [None, "make room"])
@pytest.mark.parametrize("message", ["disk full", "cannot write /tmp/[a] – 'b'\n\"c\": é\\n"])
def test_the_type_the_message_and_the_hint_are_preserved(
    kind: type[JobStatusError], message: str, hint: str | None
) -> None:
    found = preserved_error(str(_raised(kind(message, hint))))
    assert type(found) is kind
    assert found is not None
    assert (found.message, found.hint, found.exit_code) == (message, hint, kind.exit_code)


def test_they_are_preserved_in_a_traceback_and_by_pickle() -> None:
    error = pickle.loads(pickle.dumps(_raised(OutputError("disk full", "make room"))))
    wrapped = RuntimeError(f"bundle failed: {''.join(traceback.format_exception(error))} [while]")
    found = preserved_error(str(wrapped))
    assert found is not None
    assert (type(found), found.message, found.hint) == (OutputError, "disk full", "make room")


def test_the_last_of_several_errors_is_returned() -> None:
    texts = [str(_raised(kind(kind.__name__))) for kind in KINDS]
    found = preserved_error("\n".join(texts))
    assert found is not None
    assert found.message == KINDS[-1].__name__


def test_the_text_begins_with_the_message() -> None:
    assert str(_raised(OutputError("disk full"))).startswith("disk full [")


def test_the_text_of_another_error_has_no_preserved_error() -> None:
    assert preserved_error("ValueError: [job-status is no mark]") is None


def test_other_exceptions_are_raised_unchanged() -> None:
    error = KeyError("bug")
    assert _raised(error) is error


def test_the_runner_gets_a_worker_error() -> None:
    assert isinstance(_raised(InputError("gone")), WorkerError)
