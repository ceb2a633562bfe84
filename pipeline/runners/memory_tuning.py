"""Reduces the work of Python's garbage collector and of the C library's allocator."""

from __future__ import annotations

import gc

_ALLOCATIONS = 100_000
"""Allocations between two collections; Python's default is 700. Blocks contain no cycles, and
loading Beam creates hundreds of thousands of objects that stay."""

_LARGE_BYTES = 31 << 20
"""A little less than the size up to which glibc keeps freed memory at all, 32 MiB."""


def tune_memory() -> None:
    """Collects garbage less often, and keeps the freed memory of a block for the next one.

    The first saves a sixth of the time to load Beam, the second a twentieth of that of an event.
    """
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
    # From the first time that glibc frees memory of a size, it keeps what is not larger, and twice
    # as much in total. Otherwise, it returns a block to the system, and each page is cleared again.
    bytes(_LARGE_BYTES)


def freeze_loaded_objects() -> None:
    """Excludes all present objects from later collections."""
    gc.freeze()
