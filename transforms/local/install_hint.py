"""Shell commands that install missing packages for the Python that runs this program."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import version


def pip_install(*requirements: str) -> str:
    """Returns the shell command that installs requirements for the Python in use."""
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


def install_beam_extra(extra: str) -> str:
    """Returns the shell command that adds an extra to the installed Beam.

    The version is pinned, so that pip does not replace Beam.
    """
    return pip_install(f"apache-beam[{extra}]=={version('apache-beam')}")
