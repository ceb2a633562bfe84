"""Finds the Python interpreters of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
"""The supported versions."""


def find_interpreter(version: str) -> Path | None:
    """Finds an interpreter on PATH or among those of pyenv. The running one is always found."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python")),
        sys.executable if version == "{}.{}".format(*sys.version_info) else None,
    ]
    return next((found for each in candidates if each and (found := _executable(each))), None)


def _executable(command: str | Path) -> Path | None:
    """Returns the path of the interpreter that a command runs, if it can create environments.

    A command of pyenv is a script, and fails if its version is not active.
    """
    program = "import ensurepip, sys, venv; print(sys.executable)"
    done = subprocess.run([command, "-Ic", program], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None
