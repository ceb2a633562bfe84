"""Commands that only look at local files start fast: they do not import Beam, Arrow or numpy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from tests.pipeline.command import run, write_events

_SLOW = {"apache_beam", "numba", "numpy", "pyarrow"}

_PROGRAM = """
import contextlib, json, os, sys
from pipeline.cli import main
loaded = []
for command in json.loads(sys.argv[1]):
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = main(command)
    loaded.append([code, sorted(sys.modules)])
print(json.dumps(loaded))
"""


@pytest.mark.usefixtures("no_sync")
def test_commands_on_local_files_start_without_beam(tmp_path: Path) -> None:
    output = tmp_path / "out"
    events = write_events(tmp_path / "in.jsonl", 0, 3, bad=1)
    assert run("--input", events, "--output", output).code == 0
    commands = [
        ["inspect", str(output)],
        ["inspect", str(output), "--json"],
        ["dead-letters", str(output), "--show_payload"],
        ["schema", "print"],
        ["schema", "check"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(commands)],
        cwd=Path(pipeline.__path__[0]).parent,
        capture_output=True,
        check=True,
    )
    for command, (code, modules) in zip(commands, json.loads(done.stdout), strict=True):
        assert code == 0, command
        assert _SLOW.isdisjoint(modules), command
