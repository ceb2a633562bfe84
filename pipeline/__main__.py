"""`python -m pipeline` is `job-status run`: the command that Beam's templates call."""

import sys

from pipeline.entry import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
