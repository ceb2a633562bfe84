"""Shows how far a run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar

from transforms.local import Progress

_LINE_SECONDS = 10.0
_PER_SECOND = 4  # each drawing of the bar takes most of a millisecond
_MEGABYTE = 1_000_000


class Display:
    """Shows progress; to be used as a context around the run.

    Args:
        console: Where to.
        total_bytes: Size of all input files, or None where there are no files.
    """

    def __init__(self, console: Console, total_bytes: int | None = None) -> None:
        self._console = console
        self._total = total_bytes
        self._started = self._said_at = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Display:
        self._started = self._said_at = time.monotonic()
        if self._console.is_terminal:
            columns: list[ProgressColumn] = [TextColumn("{task.description}")]
            if self._total is not None:
                columns.insert(0, BarColumn(bar_width=20))
            self._bar = Bar(
                *columns, console=self._console, transient=True, refresh_per_second=_PER_SECOND
            )
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: Progress) -> None:
        """Shows what was done so far; where there is no terminal, not more than every 10 s."""
        now = time.monotonic()
        if self._bar is not None:
            text = describe(done, self._total, now - self._started)
            self._bar.update(self._task, completed=done.bytes, description=text)
        elif now - self._said_at >= _LINE_SECONDS:
            self._said_at = now
            text = describe(done, self._total, now - self._started)
            self._console.print(text, soft_wrap=True, markup=False)

    def print_line(self, text: str) -> None:
        """Prints a line above the bar."""
        self._console.print(text, soft_wrap=True, markup=False)


def describe(done: Progress, total_bytes: int | None, seconds: float) -> str:
    """Says progress in a line.

    Args:
        done: So far.
        total_bytes: As for Display.
        seconds: Since the start.
    """
    parts = []
    if total_bytes is not None:
        done_bytes = min(done.bytes, total_bytes)
        parts.append(f"{done_bytes / _MEGABYTE:,.0f} of {total_bytes / _MEGABYTE:,.0f} MB")
    else:
        waiting = done.pulled - done.acknowledged
        parts.append(f"{done.pulled:,} messages, {waiting:,} not yet acknowledged")
    parts.append(f"{done.events:,} events")
    parts.append(f"{done.events / max(seconds, 0.001):,.0f}/s")
    parts.append(f"{done.dead_letters:,} dead letters")
    if total_bytes and done.bytes:
        left = seconds * max(total_bytes - done.bytes, 0) / done.bytes
        parts.append(f"{_duration(left)} left")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
