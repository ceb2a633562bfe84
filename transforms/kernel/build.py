"""Compiles the kernel into the Python environment: `python -m transforms.kernel.build`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from transforms.kernel import compiling


def build(place: Path) -> None:
    """Compiles all entries into a directory."""
    place.mkdir(parents=True, exist_ok=True)
    compiling.use(place)
    for name in ("encoding", "lines", "pages"):
        # These import all other modules with entries.
        importlib.import_module(f"transforms.kernel.{name}")
    if not compiling.is_complete(place):
        sys.exit(f"{place} lacks the code of some entries")


if __name__ == "__main__":
    build(compiling.environment_directory())
