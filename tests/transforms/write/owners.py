"""Owner files of other processes, as if they had started the runs."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from transforms.local import machine_id, process_start
from transforms.write.settings import CommitSettings

ELSEWHERE = "0123456789abcdef"
"""The id of another machine."""


def ended_process() -> int:
    """Returns the id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def write_owner(
    run: CommitSettings,
    *,
    pid: int | None = None,
    start: int | None = None,
    machine: str | None = None,
    mark: str = "",
    silent_seconds: float = 0.0,
) -> list[Path]:
    """Writes the owner files of a run; by default its owner is this process."""
    pid = os.getpid() if pid is None else pid
    start = (process_start(pid) or 1) if start is None else start
    name = f"owner-{machine or machine_id()}-{pid}-{start}" + (mark and f"-{mark}")
    then = time.time() - silent_seconds
    paths = [Path(place.staging(run.run_id), name) for place in run.places()]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("process\n")
        os.utime(path, (then, then))
    return paths
