"""Each way to start the command starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["pipeline", "--input", "x"], "--output is missing"),
        (["pipeline"], "--input is missing"),
        (["pipeline", "run", "--input", "x"], "--output is missing"),
        (["pipeline", "inspect", "missing"], "nothing to inspect"),
        (["job_status", "run", "--input", "x"], "--output is missing"),
    ],
)
def test_python_starts_a_module(arguments: list[str], error: str) -> None:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in (2, 3)
    assert error in done.stderr
