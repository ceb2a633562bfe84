"""What a worker process of a local run does: it ends with its launcher, come what may.

The sink ties a worker to the run as well, but only once that has work. A worker whose launcher is
gone while it still starts would wait for it for a minute.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from pipeline.runners.gc_tuning import collect_less_often, freeze_loaded_objects
from transforms.local import LocalRun

PROCESS_NAME = "job-status-work"
"""What Linux shows of a worker beside its command; it has room for 15 characters."""


def work(launcher: int) -> None:
    """Works for a launcher until that ends.

    Args:
        launcher: Its process id. Where to reach it, Beam has put into the environment.
    """
    with suppress(OSError):
        Path("/proc/self/comm").write_text(PROCESS_NAME)
    collect_less_often()
    LocalRun(stop_file="", launcher=launcher).watch()
    # After the watch has begun: this takes seconds where nothing is loaded yet.
    from apache_beam.runners.worker import sdk_worker_main

    freeze_loaded_objects()
    sdk_worker_main.main([])


if __name__ == "__main__":
    work(int(sys.argv[1]))
