"""Shows the progress of a run: a bar on a terminal, otherwise a line every 10 seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.segment import ControlType

from pipeline.report.text import counted
from transforms.local import Progress

_LINE_SECONDS = 10.0
_MEGABYTE = 1_000_000
_STARTING = "starting"


@contextmanager
def starting(console: Console) -> Iterator[None]:
    """Shows on a terminal that the command is starting, while its modules are loaded.

    Unlike a bar of rich, it does not hide the cursor: a signal may end the process at any moment.
    """
    if not console.is_terminal:
        yield
        return
    console.file.write(f"{_STARTING}\r")
    console.file.flush()
    try:
        yield
    finally:
        console.control(Control((ControlType.ERASE_IN_LINE, 2)))


def _bar_column() -> BarColumn:
    return BarColumn(20, style="dim", complete_style="cyan", finished_style="cyan")


class ProgressBar:
    """Shows progress while its context is open.

    `total_bytes` is the size of all input files, or None if there are no files.
    """

    def __init__(self, console: Console, total_bytes: int | None = None) -> None:
        self._console = console
        self._total_bytes = total_bytes
        self._bar: RichProgress | None = None

    def __enter__(self) -> ProgressBar:
        self._started = self._printed_at = time.monotonic()
        if self._console.is_terminal:
            bar_columns = [] if self._total_bytes is None else [_bar_column()]
            self._bar = RichProgress(
                *bar_columns,
                TextColumn("{task.description}"),
                console=self._console,
                transient=True,
                refresh_per_second=4,  # a refresh takes most of a millisecond
            )
            self._task = self._bar.add_task("", total=self._total_bytes)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: Progress) -> None:
        """Shows the progress so far."""
        now = time.monotonic()
        text = progress_text(done, self._total_bytes, now - self._started)
        if self._bar is not None:
            self._bar.update(self._task, completed=done.bytes, description=text)
        elif now - self._printed_at >= _LINE_SECONDS:
            self._printed_at = now
            self.print_line(text)

    def print_line(self, text: str) -> None:
        """Prints a line above the bar."""
        self._console.print(text, soft_wrap=True, markup=False)


def progress_text(done: Progress, total_bytes: int | None, seconds: float) -> str:
    """Returns progress as one line; the seconds count from the start of the run."""
    if total_bytes is not None and not done.bytes:
        return _STARTING
    if total_bytes is None:
        source = f"{done.pulled:,} messages, {done.waiting:,} not yet acknowledged"
        if done.held:
            source += f", the oldest {_duration(done.oldest_age)} old"
    else:
        # A file can grow, and its first bytes are read twice.
        done_bytes = min(done.bytes, total_bytes)
        source = f"{done_bytes / _MEGABYTE:,.0f} of {total_bytes / _MEGABYTE:,.0f} MB"
    parts = [
        source,
        counted(done.read, "event"),
        f"{done.read / max(seconds, 0.001):,.0f}/s",
        counted(done.dead_lettered, "dead letter"),
    ]
    if total_bytes is None and done.commits:
        parts.append(f"last commit {_duration(time.time() - done.committed_at)} ago")
    if done.retries:
        parts.append(f"{done.retries:,} retries")
    if total_bytes is not None:
        left = seconds * (total_bytes - done.bytes) / done.bytes
        parts.append(f"{_duration(max(left, 1))} left" if left > 0 else "committing")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
