"""Starts the command as a fork of a process that has loaded it, so that loading happens once.

The fork has its own session, environment and streams, and exits like any interpreter. Other tests
start a new interpreter.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.kills.gate import Gate

_ROOT = Path(__file__).parents[2]


class WarmProcess:
    """A command that was started as a fork, with the interface of `subprocess.Popen`.

    Attributes:
        pid: The id of its process and session.
        returncode: As in `subprocess.Popen`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        stderr: Path,
        environment: Mapping[str, str],
        slowed: bool,
        gate: Gate | None,
    ) -> None:
        self._server = _fork_server()
        self.pid: int = self._server.ask(
            {
                "arguments": list(arguments),
                "stderr": str(stderr),
                "environment": dict(environment),
                "slowed": slowed,
                "gate": gate,
            }
        )
        self._end = os.pidfd_open(self.pid)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code, or None if it has not ended."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end and returns the exit code."""
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("job-status", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal if it has not ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._end, number)

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            self.returncode = self._server.ask({"ended": self.pid})
            os.close(self._end)
        return self.returncode


class _ForkServer:
    """The process that forks; each test process has one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
            )
        # It ends when its socket is closed.
        atexit.register(process.wait)
        atexit.register(ours.shutdown, socket.SHUT_RDWR)
        self._socket = ours
        self._answers = ours.makefile()

    def ask(self, request: dict[str, Any]) -> int:
        """Requests a start or an exit code; returns the process id or the code."""
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        return int(self._answers.readline())


@cache
def _fork_server() -> _ForkServer:
    return _ForkServer()


def _serve(connection: socket.socket) -> dict[str, Any]:
    """Answers requests; in a fork, returns its request."""
    for line in connection.makefile():
        request: dict[str, Any] = json.loads(line)
        if "ended" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["ended"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                return request
        connection.sendall(b"%d\n" % answer)
    os._exit(0)


def _main() -> int:
    # The imports of all kinds of runs.
    import apache_beam.runners.worker.sdk_worker_main  # noqa: F401
    from google.cloud import pubsub_v1  # noqa: F401

    import pipeline.commands.run  # noqa: F401
    from pipeline.cli import main
    from tests.kills import slowed

    with socket.socket(fileno=int(sys.argv[1])) as connection:
        request = _serve(connection)
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    if "STORAGE_EMULATOR_HOST" in os.environ:
        from apache_beam.internal.gcp import auth

        # Beam would search for credentials for 20 s, which the server does not need.
        auth._Credentials._credentials_init = True
    null = os.open(os.devnull, os.O_RDWR)
    stderr = os.open(request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream, file in enumerate((null, null, stderr)):
        os.dup2(file, stream)
    if request["gate"]:
        Gate(*request["gate"]).install()
    if request["slowed"]:
        slowed.slow_down()
    return main(request["arguments"])


if __name__ == "__main__":
    sys.exit(_main())
