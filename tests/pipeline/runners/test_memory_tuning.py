"""Memory of the size of a block is kept when it is freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """\
import resource
from pipeline.runners import tune_memory

tune_memory()


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


b"x" * (24 << 20)
before = faults()
for _ in range(10):
    b"x" * (24 << 20)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_not_taken_from_the_system_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True
    )
    # 24 MiB are 6,144 pages.
    assert int(done.stdout) < 1000
