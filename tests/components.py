"""Where the optional components lie that scripts/components.sh makes."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

_SCRIPT = Path(__file__).parents[1] / "scripts" / "components.sh"

HOW_TO_GET_THEM = "scripts/components.sh"


@cache
def component_path(name: str) -> str | None:
    """The path of a component, or None where it is not made yet."""
    told = subprocess.run(
        [_SCRIPT, "--check", "--only", name], capture_output=True, text=True, check=False
    )
    return told.stdout.split(maxsplit=1)[1].strip() if told.returncode == 0 else None
