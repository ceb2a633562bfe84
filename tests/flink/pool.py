"""Beam's worker pool, which starts the `python` that is first on its PATH."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.flink.cluster import free_ports


@contextmanager
def worker_pool(path: str) -> Iterator[str]:
    """Runs a pool with a PATH, and gives its address, at which it may not listen yet."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    process = subprocess.Popen(
        [*command, f"--service_port={port}"],
        env={**os.environ, "PATH": path},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.wait()


def path_with_python(directory: Path, command: str) -> str:
    """Makes a `python` that runs a shell command, and returns a PATH that begins with it."""
    python = directory / "python"
    python.write_text(f"#!/bin/sh\n{command}\n")
    python.chmod(0o755)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


def path_with_beam_alone(directory: Path) -> str:
    """Makes a `python` that has all packages but job-status, and returns a PATH with it."""
    # -S leaves out the .pth file of an editable installation, and / the working directory.
    packages = sysconfig.get_path("purelib")
    return path_with_python(directory, f'cd /; PYTHONPATH={packages} exec {sys.executable} -S "$@"')
