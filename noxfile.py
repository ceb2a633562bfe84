"""Runs all checks with each supported Python of this machine: `.venv/bin/nox`.

Each version has a clone of the checkout in .nox, with the files of the working tree. The clones
and their environments are kept for the next run. Arguments after `--` are passed to run_tests.sh.

`.venv/bin/nox -s newest` tests with the newest release of every package, and of Beam also one that
pyproject.toml does not allow yet. Arguments after `--` are passed to pytest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))

from tests.clone import ROOT, clone_checkout
from tests.interpreters import VERSIONS, find_interpreter

BEAM_TESTS = ("tests/transforms", "tests/pipeline", "tests/streaming")
FRESH_CLONE = "tests/project/test_fresh_clone.py::test_a_fresh_clone_sets_itself_up"


def add_session(version: str) -> None:
    """Defines the session of a Python version."""

    @nox.session(name=f"tests-{version}", venv_backend="none")
    def tests(session: nox.Session) -> None:
        """Runs run_tests.sh in a clone."""
        python = find_interpreter(version)
        if python is None:
            session.skip(f"Python {version} is missing: install it on PATH or with pyenv")
        clone = ROOT / ".nox" / session.name
        clone_checkout(clone)
        # Each session tests a fresh clone with its own version only.
        others = [f"--deselect={FRESH_CLONE}[{each}]" for each in VERSIONS if each != version]
        with session.chdir(clone):
            session.run(
                "./run_tests.sh",
                "--all",
                *others,
                *session.posargs,
                env={"PYTHON": str(python)},
                external=True,
            )


for version in VERSIONS:
    add_session(version)


@nox.session(default=False)
def newest(session: nox.Session) -> None:
    """Runs the tests that depend on Beam without the lock."""
    session.install("--editable", ".[aws,gcp,dev]")
    session.install("--upgrade", "--upgrade-strategy=eager", "apache-beam[aws,gcp]")
    session.run("python", "-m", "pip", "list")
    session.run("python", "-m", "pytest", "--numprocesses=auto", *(session.posargs or BEAM_TESTS))
