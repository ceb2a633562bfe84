"""Logs bugs of a step that concern only some events, which become INTERNAL dead letters."""

from __future__ import annotations

import logging
import traceback

_LOGGER = logging.getLogger(__name__)


def log_bug(step: str, error: Exception) -> None:
    """Logs the place of a bug, but not the text of its exception, which may hold a value."""
    extra = {"step": step}
    _LOGGER.error("%s on some events in %s", type(error).__name__, step, extra=extra)
    _LOGGER.debug("%s", "".join(traceback.format_tb(error.__traceback__)), extra=extra)
