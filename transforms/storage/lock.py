"""Locks a local directory for one process. The lock ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from transforms.storage.file_paths import is_local


@contextmanager
def locked(directory: str, *, wait: bool = True) -> Iterator[bool]:
    """Holds the lock of a directory, which is created if it is missing.

    An object store has no locks: there this does nothing.

    Args:
        directory: The directory.
        wait: Whether to wait while another process holds the lock.

    Yields:
        False if another process holds the lock.
    """
    if not is_local(directory):
        yield True
        return
    os.makedirs(directory, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
