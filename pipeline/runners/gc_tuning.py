"""Keeps Python's collector of cycles from looking at everything again and again."""

from __future__ import annotations

import gc

_ALLOCATIONS = 100_000
"""Between two looks for cycles; Python's own choice is 700. Blocks hold none: they go when they are
done, and loading Beam makes hundreds of thousands of objects that stay."""


def collect_less_often() -> None:
    """Looks rarely from here on: a sixth of the time that Beam takes to be loaded."""
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])


def freeze_loaded_objects() -> None:
    """Never looks again at what there is now."""
    gc.freeze()
