"""Finds the optional components that scripts/components.sh builds."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

_SCRIPT = Path(__file__).parents[1] / "scripts" / "components.sh"

HOW_TO_GET_THEM = "scripts/components.sh"


@cache
def component_path(name: str) -> str | None:
    """Returns the path of a component, or None if it is not built yet."""
    done = subprocess.run(
        [_SCRIPT, "--check", "--only", name], capture_output=True, text=True, check=False
    )
    return done.stdout.split(maxsplit=1)[1].strip() if done.returncode == 0 else None
