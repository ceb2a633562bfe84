"""`python -m pipeline` is `job-status run`: what Beam's templates call."""

import sys

from pipeline.arguments import argv_or
from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *argv_or(None)]))
