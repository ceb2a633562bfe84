"""Runs `job-status`. Beam's templates call it with the options of `run` and without the command."""

import sys

from job_status import main

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        arguments.insert(0, "run")
    sys.exit(main(arguments))
