"""`python -m pipeline` is `job-status run`: what Beam's templates call."""

import sys

from pipeline.cli import main
from pipeline.options import argv_or

if __name__ == "__main__":
    sys.exit(main(["run", *argv_or(None)]))
