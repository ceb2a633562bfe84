"""The entry point of the command. Checks that Python finds the packages of job-status.

Their names are common. If another package hides one of them, the package cannot report that itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("pipeline", "transforms", "schemas")

_MARK = b"job-status"
"""Is in the `__init__.py` of each package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `job-status` with the arguments of the process, or others. Returns the exit code."""
    try:
        check_packages(*PACKAGES)
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from pipeline.entry import main as run_command

    return run_command(arguments)


def check_packages(*names: str) -> None:
    """Raises ImportError if Python finds another package, module or folder by one of the names."""
    for name in names:
        spec = find_spec(name)
        if spec is None:
            continue  # its import fails, and names it
        if spec.origin is None:  # a folder without an __init__.py
            found = Path(next(iter(spec.submodule_search_locations or [name])))
        else:
            found = Path(spec.origin)
            if _MARK in found.read_bytes():
                continue
        folder = found.parents[1] if found.stem == "__init__" else found.parent
        raise ImportError(f"{found} hides the package {name} of job-status\n  {_remedy(folder)}")


def _remedy(folder: Path) -> str:
    """Returns how to stop Python from finding the packages of a folder first."""
    if folder == Path(__file__).parent:
        return "it was installed over job-status: install job-status in an environment of its own"
    if str(folder) in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return f"rename it, or remove {folder} from PYTHONPATH"
    return f"rename it, or start from elsewhere: Python searches {folder} first"


if __name__ == "__main__":
    sys.exit(main())
