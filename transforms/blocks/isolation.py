"""Isolates a row that triggers a bug, so that only this row is lost to INTERNAL."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

from transforms.blocks.block import EventBlock

Result = TypeVar("Result")


_LOGGER = logging.getLogger(__name__)


def log_bug(step: str, error: Exception) -> None:
    """Logs where a bug is; what the exception says may hold a value of the data."""
    kind = type(error).__name__
    said = {"step": step}
    _LOGGER.error("%s on a block in %s; trying its rows one by one", kind, step, extra=said)
    _LOGGER.debug("%s", "".join(traceback.format_tb(error.__traceback__)), extra=said)


def isolating(
    step: str, work: Callable[[EventBlock], Result], block: EventBlock
) -> Iterator[Result]:
    """Does the work of a step; should a bug in it meet a row, only that row is lost to INTERNAL.

    Args:
        step: The name of the step.
        work: Works on a block; raises only where there is a bug.
        block: What to work on.

    Yields:
        The result for the block, or one for each of its rows, and last one for what belongs to
        it as a whole, where the work failed on it whole.
    """
    try:
        result = work(block)
    except Exception as error:
        log_bug(step, error)
    else:
        yield result
        return
    *rows, whole = block.one_by_one()
    for row in rows:
        try:
            result = work(row)
        except Exception as error:
            result = work(row.reject([0], "INTERNAL", step, type(error).__name__))
        yield result
    yield work(whole)
