"""Runs a worker process of a local run, which ends when its launcher ends for any reason.

The sink connects a worker with the run as well, but only when the worker has work. A worker whose
launcher ends while the worker starts would wait for it for a minute.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.runners.memory_tuning import freeze_loaded_objects, tune_memory
from transforms.local import LocalRun

PROCESS_NAME = "job-status-work"
"""The name of a worker in Linux' list of processes, which has room for 15 characters."""


def work(launcher: int) -> None:
    """Works for the launcher with this process id. Beam's environment variables hold the rest."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(PROCESS_NAME)
    tune_memory()
    LocalRun(stop_file="", launcher=launcher).watch()
    # Import after the watch has begun: it takes seconds in a new process.
    from apache_beam.runners.worker import sdk_worker_main

    freeze_loaded_objects()
    sdk_worker_main.main([])
