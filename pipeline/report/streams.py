"""Guards stdout and stderr: a result that cannot be written is an error, a message is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from schemas.errors import OutputError


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Replaces stdout and stderr until the block ends.

    A character that the encoding of stdout lacks becomes an escape sequence. Writing to stdout
    raises OutputError if the disk is full, for example, and BrokenPipeError if the reader has
    ended. Writing to stderr never fails: the exit code of a run tells if it was committed.
    """
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast(Any, _Results(sys.stdout)), cast(Any, _Messages(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in filter(None, streams):
            _flush_or_abandon(stream)


def _flush_or_abandon(stream: TextIO) -> None:
    """Flushes a stream. One that fails gets the null device: Python, which flushes it again at its
    end, would print an exception and exit with code 120."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):  # it has no file descriptor
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


class _Guarded:
    """A stream of this process, or None if its file descriptor is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Results(_Guarded):
    def write(self, text: str) -> int:
        if self._stream is None:
            raise _not_written("it is closed")
        encoding = self._stream.encoding or "utf-8"  # a StringIO has none
        with _as_output_error():
            return self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        if self._stream is not None:
            with _as_output_error():
                self._stream.flush()


class _Messages(_Guarded):
    def write(self, text: str) -> int:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.flush()


@contextmanager
def _as_output_error() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _not_written(error.strerror or type(error).__name__) from error


def _not_written(reason: str) -> OutputError:
    return OutputError(
        f"cannot write the result to stdout: {reason}", "make room, or redirect it elsewhere"
    )
