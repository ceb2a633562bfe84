"""The environment in which the examples run: that of a user who has activated `.venv`."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_COMMAND = """#!/bin/sh
exec {python} -c 'import sys; from pipeline.cli import main; sys.exit(main())' "$@"
"""


def user_environment(directory: Path) -> dict[str, str]:
    """Returns the environment. Its `job-status` and its packages are those of this checkout."""
    programs = directory / "bin"
    programs.mkdir()
    command = programs / "job-status"
    command.write_text(_COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    path = [str(programs), sysconfig.get_path("scripts"), os.environ["PATH"]]
    return {**os.environ, "PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT)}
