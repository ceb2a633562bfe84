"""The wheel holds everything that an installation needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipeline", "transforms", "schemas")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that contains only the wheel."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for name in (*PACKAGES, "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, *build, str(source)], check=True)
    (wheel,) = folder.glob("job_status-*.whl")

    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    install = ["install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*pip, "--python", str(venv / "bin" / "python"), *install], check=True)
    return venv


class TestWheel:
    def test_it_holds_every_file_of_the_packages(self, installed: Path) -> None:
        (packages,) = installed.glob("lib/python*/site-packages")
        tracked = subprocess.run(
            ["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.splitlines()
        assert "schemas/mapping/job_status.yaml" in tracked
        for name in tracked:
            assert (packages / name).read_bytes() == (ROOT / name).read_bytes(), name

    def test_it_holds_the_command_and_the_version(self, installed: Path, tmp_path: Path) -> None:
        assert (installed / "bin" / "job-status").exists()
        program = "import importlib.metadata; print(importlib.metadata.version('job-status'))"
        read = subprocess.run(
            [installed / "bin" / "python", "-I", "-c", program],
            check=True,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
        )
        assert read.stdout.strip()

    def test_each_package_is_marked_as_typed(self, installed: Path) -> None:
        marked = installed.glob("lib/python*/site-packages/*/py.typed")
        assert {path.parent.name for path in marked} == set(PACKAGES)

    def test_mypy_finds_a_wrong_argument(self, installed: Path, tmp_path: Path) -> None:
        (tmp_path / "user.py").write_text(
            "import pipeline, transforms\nfrom schemas.errors import UsageError\nUsageError(1)\n"
        )
        interpreter = installed / "bin" / "python"
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--python-executable", str(interpreter), "user.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.splitlines() == [
            'user.py:3: error: Argument 1 to "UsageError" has incompatible type "int"; '
            'expected "str"  [arg-type]',
            "Found 1 error in 1 file (checked 1 source file)",
        ]
