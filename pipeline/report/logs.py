"""What goes to stderr: text for people, or lines of JSON for a collector of logs.

The engine's own log is only shown with `--debug`: it may hold values of the data.
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

LogFormat = Literal["text", "json"]

_OWN = ("pipeline", "transforms", "schemas")
_MOST_A_MINUTE = 10
_JSON_COLUMNS = 200


class Log:
    """The log of one command.

    Args:
        log_format: How each record looks.
        debug: Whether to show tracebacks and the engine's log.
    """

    def __init__(self, log_format: LogFormat, debug: bool) -> None:
        self._format = log_format
        # Before Beam is imported: it would set up its own, and warn of everything it goes without.
        handler = logging.StreamHandler()
        handler.addFilter(_Wanted(debug))
        if not debug:
            handler.addFilter(_RateLimit())
        if log_format == "json":
            handler.setFormatter(_JsonFormatter())
        elif not debug:
            handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        if not debug and not sys.warnoptions:
            # They are for developers: Google warns of Python 3.10, for example.
            warnings.simplefilter("ignore")
        for name in _OWN:
            logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO)

    def console(self) -> Console:
        """Where messages for people go: as they are, or each line as a record."""
        if self._format == "text":
            return Console(stderr=True, highlight=False)
        return Console(file=cast(IO[str], _Records()), width=_JSON_COLUMNS, highlight=False)


def set_run(run_id: str) -> None:
    """Says which run the records of this process are about from now on."""
    _JsonFormatter.run_id = run_id


class _Wanted(logging.Filter):
    """Of the engine nothing, unless it is wanted: parts of Beam set the level of their loggers."""

    def __init__(self, debug: bool) -> None:
        super().__init__()
        self._debug = debug

    def filter(self, record: logging.LogRecord) -> bool:
        if self._debug or record.name == _MESSAGES:
            return True
        is_own = record.name.partition(".")[0] in _OWN
        return record.levelno >= (logging.WARNING if is_own else logging.CRITICAL)


class _RateLimit(logging.Filter):
    """At most ten records a minute from each place in the code; then how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == _MESSAGES:
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._seen.get(place, (now, 0))
        if now - since >= 60:
            dropped = count - _MOST_A_MINUTE
            if dropped > 0:
                record.msg = f"{record.msg} (and {dropped} more like it)"
            since, count = now, 0
        self._seen[place] = since, count + 1
        return count < _MOST_A_MINUTE


class _JsonFormatter(logging.Formatter):
    run_id: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "severity": record.levelname,
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "message": record.getMessage(),
            "step": getattr(record, "step", record.name.rpartition(".")[2]),
            "run_id": self.run_id,
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)

    converter = staticmethod(time.gmtime)


_MESSAGES = "pipeline.messages"


class _Records(io.TextIOBase):
    """A file that makes a record of each line that is printed to it."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                is_error = line.startswith("error:")
                level = logging.ERROR if is_error else logging.INFO
                logging.getLogger(_MESSAGES).log(level, line.strip(), extra={"step": "job-status"})
        return len(text)


def wanted_format(arguments: list[str]) -> LogFormat:
    """The format that a command line asks for; whether that is one is for its parser to say."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--log_format":
            value = value or "".join(arguments[index + 1 : index + 2])
            return "json" if value == "json" else "text"
    return "text"
