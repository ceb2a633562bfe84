"""Forks the worker processes of a local run from one that has loaded everything they need.

A worker that starts from nothing loads Beam, which takes seconds, the more so where all of them do
so at the same time. The template is a copy of the launcher, made before that has opened anything:
connections and threads do not survive being copied.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from pipeline.runners.gc_tuning import freeze_loaded_objects
from pipeline.runners.worker import work
from pipeline.stop_signals import blocked_signals, ignore_signals


class WorkerTemplate:
    """A process that forks workers; it ends when it is dismissed, and with its launcher.

    Attributes:
        process: Its process id.
    """

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        launcher = os.getpid()
        with blocked_signals():
            self.process = os.fork()
            if self.process == 0:
                ignore_signals()
        if self.process == 0:
            ours.close()
            _end_with(partial(_serve, its, launcher))
        its.close()
        self._socket = ours
        self._answers = ours.makefile()

    def start(self, debug: bool, environment: Mapping[str, str]) -> Callable[[], None]:
        """Forks a worker.

        Args:
            debug: Whether it may write to the terminal.
            environment: What Beam tells it by variables.

        Returns:
            What waits for its end.

        Raises:
            EOFError: The template is gone.
        """
        request = json.dumps([debug, dict(environment)])
        try:
            self._socket.sendall(request.encode() + b"\n")
            return partial(_wait_for_end, int(self._answers.readline()))
        except (OSError, ValueError) as error:
            raise EOFError("the process that starts workers is gone") from error

    def dismiss(self) -> None:
        """Lets it end; the workers go on."""
        self._answers.close()
        self._socket.close()
        os.waitpid(self.process, 0)


_templates: list[WorkerTemplate] = []


def make_template() -> None:
    """Makes a template of this process, where it can be copied; the earlier, the better."""
    if sys.platform == "linux" and threading.active_count() == 1 and not _templates:
        _templates.append(WorkerTemplate())


@contextmanager
def taken_template(wanted: bool) -> Iterator[WorkerTemplate | None]:
    """Hands out the template of this process, if it has one; dismisses it in the end.

    Args:
        wanted: Whether workers will be forked. If not, the template does not live on for nothing.
    """
    template = _templates.pop() if _templates else None
    if template is not None and not wanted:
        template.dismiss()
        template = None
    try:
        yield template
    finally:
        if template is not None:
            template.dismiss()


def _wait_for_end(process: int) -> None:
    """Waits until a process that is no child of this one is gone."""
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(process)
        try:
            select.select([watched], [], [])
        finally:
            os.close(watched)


def _serve(its: socket.socket, launcher: int) -> None:
    """Forks a worker for each request, until the launcher closes its side or ends."""
    # What the copies only read, the system keeps once for all of them.
    freeze_loaded_objects()
    for request in its.makefile():
        _reap(os.WNOHANG)
        debug, environment = json.loads(request)
        process = os.fork()
        if process == 0:
            its.close()
            _end_with(partial(_work, debug, environment, launcher))
        its.sendall(b"%d\n" % process)
    _reap(0)


def _reap(flags: int) -> None:
    """Lets workers that ended be gone; the system adds what they took to what this one took."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, flags) != (0, 0):
            pass


def _work(debug: bool, environment: dict[str, str], launcher: int) -> None:
    if not debug:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
    os.environ.update(environment)
    work(launcher)


def _end_with(last: Callable[[], None]) -> None:
    """Ends this process with a call; what the launcher does at its end is not for its copies."""
    try:
        last()
    finally:
        os._exit(0)
