"""What a worker process of a local run begins with: it ends with its launcher, come what may.

The sink ties a worker to the run as well, but only once that has work. A worker whose launcher is
gone while it still starts would wait for it for a minute.
"""

from __future__ import annotations

import sys

from transforms.lifeline import Lifeline


def main(arguments: list[str]) -> None:
    """Works for a launcher until that ends.

    Args:
        arguments: The program, and the process id of the launcher.
    """
    Lifeline(stop_file="", launcher=int(arguments[1])).watch()
    # After the watch has begun: this takes seconds.
    from apache_beam.runners.worker import sdk_worker_main

    from pipeline.local_engine import relax_collector

    relax_collector()
    sdk_worker_main.main(arguments[:1])


if __name__ == "__main__":
    main(sys.argv)
