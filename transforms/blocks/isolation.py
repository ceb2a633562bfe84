"""Isolates a row that triggers a bug, so that only this row becomes an INTERNAL dead letter."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

from transforms.blocks.block import EventBlock

Result = TypeVar("Result")

_LOGGER = logging.getLogger(__name__)


def log_bug(step: str, error: Exception) -> None:
    """Logs the place of a bug, but not the text of its exception, which may hold a value."""
    kind = type(error).__name__
    extra = {"step": step}
    _LOGGER.error("%s on a block in %s; trying its rows one by one", kind, step, extra=extra)
    _LOGGER.debug("%s", "".join(traceback.format_tb(error.__traceback__)), extra=extra)


def isolating(
    step: str, work: Callable[[EventBlock], Result], block: EventBlock
) -> Iterator[Result]:
    """Runs the work of a step on a block; if it raises, which is a bug, on each row alone.

    Yields:
        The result for the block. If it raised, the result for each row, with a failing row as an
        INTERNAL rejection, and then the result for the rest of the block.
    """
    try:
        result = work(block)
    except Exception as error:
        log_bug(step, error)
    else:
        yield result
        return
    *rows, remainder = block.one_by_one()
    for row in rows:
        try:
            result = work(row)
        except Exception as error:
            result = work(row.reject([0], "INTERNAL", step, type(error).__name__))
        yield result
    yield work(remainder)
