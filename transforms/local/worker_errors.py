"""Passes a user-facing error from a worker to the launcher.

A runner drops the type of an exception and keeps the text of its last line.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import ForeignPathError, InputError, JobStatusError, OutputError, UsageError

_KINDS: dict[str, type[JobStatusError]] = {
    kind.__name__: kind for kind in (ForeignPathError, InputError, OutputError, UsageError)
}
_MARK = re.compile(r"\[job-status (\w+) ([A-Za-z0-9+/=]+)\]")


class WorkerError(RuntimeError):
    """Replaces a JobStatusError in a worker. Its text holds the type, the message and the hint."""


@contextmanager
def preserve_error_type() -> Iterator[None]:
    """Raises a WorkerError in place of a JobStatusError that leaves the `with` block."""
    try:
        yield
    except JobStatusError as error:
        packed = base64.b64encode(json.dumps([error.message, error.hint]).encode()).decode()
        names = [each.__name__ for each in type(error).__mro__]
        kind = next((name for name in names if name in _KINDS), JobStatusError.__name__)
        raise WorkerError(f"{error.message} [job-status {kind} {packed}]") from error


def preserved_error(text: str) -> JobStatusError | None:
    """Returns the last error in the text of a runner's exception, or None if it has none."""
    found = _MARK.findall(text)
    if not found:
        return None
    kind, packed = found[-1]
    message, hint = json.loads(base64.b64decode(packed))
    return _KINDS.get(kind, JobStatusError)(message, hint)
