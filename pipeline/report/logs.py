"""Writes logs to stderr, as text or as one JSON object a line.

The log of the runner is only shown with `--debug`, because it can hold values of the data.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
import warnings
from typing import IO, Literal, cast

from rich.console import Console

from pipeline.report.terminal import SafeConsole

LogFormat = Literal["text", "json"]

_OWN_PACKAGES = ("pipeline", "transforms", "schemas")
_MESSAGES = "pipeline.messages"
_MAX_PER_MINUTE = 10
_JSON_COLUMNS = 200


def log_format_of(arguments: list[str]) -> LogFormat:
    """Returns the log format of a command line, text if it has none or an unknown one."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--log_format":
            value = value or "".join(arguments[index + 1 : index + 2])
            return "json" if value == "json" else "text"
    return "text"


def set_up_logs(log_format: LogFormat, debug: bool) -> Console:
    """Configures the logs of this process. To be called before Beam is imported.

    `debug` shows tracebacks and the log of the runner. Returns the console for messages to people:
    with JSON, each line becomes a record.
    """
    # Beam would configure its own handler on import, and warn of every missing extra.
    handler = logging.StreamHandler()
    if not debug:
        handler.addFilter(_is_shown)
        handler.addFilter(_RateLimit())
    if log_format == "json":
        handler.setFormatter(_JsonFormatter())
    elif not debug:
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if not debug and not sys.warnoptions:
        # Warnings are for developers; Google's libraries warn of Python 3.10, for example.
        warnings.simplefilter("ignore")
    for name in _OWN_PACKAGES:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO)
    if log_format == "text":
        return SafeConsole(stderr=True, highlight=False, emoji=False)
    return SafeConsole(file=cast(IO[str], _RecordWriter()), width=_JSON_COLUMNS, highlight=False)


def set_run(run_id: str) -> None:
    """Sets the run ID of all further records of this process."""
    _JsonFormatter.run_id = run_id


def _is_shown(record: logging.LogRecord) -> bool:
    """Selects the records to show without `--debug`.

    The level of a logger is not enough: parts of Beam set the level of theirs.
    """
    is_own = record.name.partition(".")[0] in _OWN_PACKAGES
    min_level = logging.WARNING if is_own else logging.CRITICAL
    return record.name == _MESSAGES or record.levelno >= min_level


class _RateLimit(logging.Filter):
    """Drops all but ten records a minute from each line of code; the next one has their number."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == _MESSAGES:
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._seen.get(place, (now, 0))
        if now - since >= 60:
            if count > _MAX_PER_MINUTE:
                record.msg = f"{record.msg} (and {count - _MAX_PER_MINUTE} more like it)"
            since, count = now, 0
        self._seen[place] = since, count + 1
        return count < _MAX_PER_MINUTE


class _JsonFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    run_id: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "severity": record.levelname,
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "message": record.getMessage(),
            "step": getattr(record, "step", record.name.rpartition(".")[2]),
            "run_id": self.run_id,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


class _RecordWriter(io.TextIOBase):
    """A text file that logs each line that is printed to it."""

    def __init__(self) -> None:
        super().__init__()
        self._unfinished = ""

    def write(self, text: str) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            if line.strip():
                level = logging.ERROR if line.startswith("error:") else logging.INFO
                logging.getLogger(_MESSAGES).log(level, line.strip(), extra={"step": "job-status"})
        return len(text)
