"""Runs a server for a launcher, and ends the server when the launcher ends for any reason.

A script that imports nothing of the project: `python supervisor.py LAUNCHER COMMAND…`. It leaves
the launcher's process group, so that Ctrl-C in a terminal reaches only the launcher.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 3.0
"""Time between SIGTERM and SIGKILL. Beam kills this process after five seconds."""


def supervise(launcher: int, command: list[str]) -> int:
    """Runs a command until it ends, a signal arrives, or the launcher, its parent, is gone.

    Returns:
        The exit code of the command, negative if a signal ended it.
    """
    os.setpgid(0, 0)
    stops: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stops.append(number))
    server = subprocess.Popen(command)
    while server.poll() is None and not stops and os.getppid() == launcher:
        time.sleep(_POLL_SECONDS)
    server.terminate()
    try:
        return server.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


if __name__ == "__main__":
    sys.exit(abs(supervise(int(sys.argv[1]), sys.argv[2:])))
