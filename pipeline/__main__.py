"""Runs `job-status run` for `python -m pipeline`, which Beam's templates call."""

import sys

from job_status import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
