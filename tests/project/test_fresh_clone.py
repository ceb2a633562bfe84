"""A fresh clone sets itself up with each supported Python and the pip that is bundled with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clone import clone_checkout
from tests.interpreters import VERSIONS, find_interpreter

Run = Callable[..., str]

# Only these variables are kept, so that pip gets its packages as usual.
KEPT = ("HOME", "PATH", "PIP_", "REQUESTS_CA_BUNDLE", "SSL_CERT_")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A clone that is removed. pytest would keep it, over a gigabyte, for three more runs."""
    folder = tmp_path / "clone"
    clone_checkout(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.needs("package_index")
@pytest.mark.timeout(1800)  # two installations and a cold mypy
@pytest.mark.parametrize("version", VERSIONS)
def test_a_fresh_clone_sets_itself_up(version: str, clone: Path) -> None:
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"needs Python {version}: install it, on PATH or with pyenv")
    run = _runner(clone, python)

    run("./run_local.sh")
    run("./run_local.sh", "schema", "check")
    run("./run_tests.sh", "tests/schemas")
    before = _identity(clone)
    again = run("./run_local.sh")

    assert "installing" not in again
    assert _identity(clone) == before
    assert [path.name for path in clone.glob(".venv*") if path.is_dir()] == [".venv"]
    commands = run("sh", "-c", ". .venv/bin/activate && command -v job-status")
    assert commands.strip() == str(clone / ".venv" / "bin" / "job-status")
    bundled = run(str(python), "-Ic", "import ensurepip; print(ensurepip.version())")
    assert run(".venv/bin/pip", "--version").startswith(f"pip {bundled.strip()} ")


def _runner(clone: Path, python: Path) -> Run:
    """Returns a function that runs a command in the clone, which must succeed, for its output."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(KEPT) or name.lower().endswith("_proxy")
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=clone,
            env={**environment, "PYTHON": str(python)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def _identity(clone: Path) -> tuple[int, int]:
    """Returns a value that changes if .venv is replaced or installed again."""
    status = (clone / ".venv").stat()
    return status.st_ino, (clone / ".venv" / "installed").stat().st_mtime_ns
