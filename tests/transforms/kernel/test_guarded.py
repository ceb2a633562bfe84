"""The kernel reads and writes nothing outside of its buffers."""

from __future__ import annotations

import subprocess
import sys


def test_no_text_makes_the_kernel_leave_its_buffers() -> None:
    # In a process of its own, because a stray access ends it.
    command = [sys.executable, "-m", "tests.transforms.kernel.guarded", "--payloads", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 500
