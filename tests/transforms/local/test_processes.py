"""A process is known by its id and its start, and a machine by its id."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from transforms.local.processes import machine_id, process_start

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def test_a_process_has_one_start_for_its_life() -> None:
    first = process_start(os.getpid())
    assert first
    assert process_start(os.getpid()) == first


def test_a_process_started_later_has_a_later_start() -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert (process_start(process.pid) or 0) >= (process_start(os.getpid()) or 0)
    finally:
        process.kill()
        process.wait()
    assert process_start(process.pid) is None


def test_the_name_of_a_program_does_not_matter(tmp_path: Path) -> None:
    program = tmp_path / "a) Z (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        assert process_start(process.pid)
    finally:
        process.kill()
        process.wait()


def test_two_processes_of_a_machine_have_the_same_machine_id() -> None:
    code = "from transforms.local.processes import machine_id; print(machine_id())"
    theirs = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert theirs.strip() == machine_id()
    assert re.fullmatch("[0-9a-f]{16}", machine_id())
