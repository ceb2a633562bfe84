"""Carries an error that people can act on from a worker to the launcher.

Exceptions lose their type on the way through an engine; the text of the last line arrives.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import (
    ForeignPathError,
    InputError,
    JobStatusError,
    OutputError,
    UsageError,
)

_CARRIED: dict[str, type[JobStatusError]] = {
    kind.__name__: kind
    for kind in (ForeignPathError, InputError, OutputError, UsageError, JobStatusError)
}
_MARK = re.compile(r"\[job-status (\w+) ([A-Za-z0-9+/=]+)\]")


class WorkerError(RuntimeError):
    """What a worker raises in place of a JobStatusError."""


@contextmanager
def preserve_error_type() -> Iterator[None]:
    """Turns a JobStatusError that leaves the block into one whose text says all of it."""
    try:
        yield
    except JobStatusError as error:
        packed = base64.b64encode(json.dumps([error.message, error.hint]).encode()).decode()
        kind = type(error).__name__
        raise WorkerError(f"{error.message} [job-status {kind} {packed}]") from error


def preserved_error(text: str) -> JobStatusError | None:
    """Finds the error in the text of what an engine raised, or None if it holds none."""
    found = _MARK.findall(text)
    if not found:
        return None
    kind, packed = found[-1]
    message, hint = json.loads(base64.b64decode(packed))
    return _CARRIED.get(kind, JobStatusError)(message, hint)
