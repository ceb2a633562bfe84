"""Forks the worker processes of a local run from a template process.

A new process of the interpreter takes seconds to load Beam. The template is a copy of the launcher
that is made before the launcher has opened anything: a fork copies no connections and no threads.
"""

# multiprocessing's forkserver took 1.39 s from the start to the first range read by two workers,
# the template 1.29 s (medians of 5 runs in turns, 200 MB, 2 cores): it loads Beam a second time.

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from pipeline.runners.memory_tuning import freeze_loaded_objects
from pipeline.runners.worker import work
from pipeline.stop_signals import fork_without_signals


class WorkerTemplate:
    """A process that forks workers until it is dismissed or its launcher ends.

    `process` is its process id.
    """

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        launcher = os.getpid()
        self.process = fork_without_signals()
        if self.process == 0:
            self._connection.close()
            _exit_after(partial(_serve, theirs, launcher))
        theirs.close()

    def start(self, debug: bool, environment: Mapping[str, str]) -> Callable[[], None]:
        """Forks a worker with more environment variables; returns a function to wait for its end.

        Only with `debug` may the worker write to the terminal.

        Raises:
            EOFError: The template has ended.
        """
        try:
            self._connection.send((debug, dict(environment)))
            return partial(_wait_for_end, self._connection.recv())
        except (OSError, EOFError) as error:
            raise EOFError("the process that starts workers is gone") from error

    def dismiss(self) -> None:
        """Ends the template. Its workers go on."""
        self._connection.close()
        os.waitpid(self.process, 0)


_templates: list[WorkerTemplate] = []


def make_template() -> None:
    """Makes the template of this process on Linux, unless the process has threads already."""
    if sys.platform == "linux" and threading.active_count() == 1 and not _templates:
        _templates.append(WorkerTemplate())


@contextmanager
def taken_template(wanted: bool) -> Iterator[WorkerTemplate | None]:
    """Yields the template of this process if there is one, and dismisses it at the end.

    If `wanted` is false, yields None and dismisses the template at once.
    """
    with ExitStack() as stack:
        template = _templates.pop() if _templates else None
        if template is not None:
            stack.callback(template.dismiss)
        if not wanted:
            stack.close()
        yield template if wanted else None


def _wait_for_end(process: int) -> None:
    """Waits for the end of a process that is not a child of this one."""
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(process)
        try:
            select.select([watched], [], [])
        finally:
            os.close(watched)


def _serve(connection: Connection, launcher: int) -> None:
    """Forks a worker for each request, until the launcher closes its side or ends."""
    # The memory of objects that no worker changes is shared.
    freeze_loaded_objects()
    with suppress(EOFError, ConnectionError):
        while True:
            debug, environment = connection.recv()
            _reap(os.WNOHANG)
            process = os.fork()
            if process == 0:
                connection.close()
                _exit_after(partial(_work, debug, environment, launcher))
            connection.send(process)
    _reap(0)


def _reap(flags: int) -> None:
    """Reaps ended workers. Their CPU time then counts as that of the template's children."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, flags) != (0, 0):
            pass


def _work(debug: bool, environment: dict[str, str], launcher: int) -> None:
    if not debug:
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(null, stream)
    os.environ.update(environment)
    work(launcher)


def _exit_after(call: Callable[[], None]) -> None:
    """Makes a call and ends this process, without the exit handlers copied from the launcher."""
    try:
        call()
    finally:
        os._exit(0)
