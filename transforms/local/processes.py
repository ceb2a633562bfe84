"""Identifies this machine and its processes, so that others can find out whether one is alive."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROCESS_IDS = Path("/proc/self/ns/pid")
_START, _STATE = 19, 0
"""Fields of /proc/PID/stat after the name of the program."""


@cache
def machine_id() -> str:
    """Returns 16 hex digits: equal for two processes if they see each other's process ids.

    It covers the host name, the boot and, as containers can share both, the namespace of process
    ids.
    """
    digest = hashlib.sha256(socket.gethostname().encode())
    with suppress(OSError):
        digest.update(_BOOT_ID.read_bytes())
    with suppress(OSError):
        digest.update(os.readlink(_PROCESS_IDS).encode())
    return digest.hexdigest()[:16]


def process_start(pid: int) -> int | None:
    """Returns when a process of this machine was started, in ticks since the boot.

    Returns 0 if that is not known, as on macOS, and None if no such process is alive.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # a process of another user
    try:
        # The name of the program may hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return 0
    # A killed process stays in the table until its parent collects it.
    return None if fields[_STATE] in "ZX" else int(fields[_START])
