"""Another package that hides one of job-status is reported before anything is imported from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from job_status import PACKAGES

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ("-c", "import sys; from job_status import main; sys.exit(main())")

# An editable installation is found after everything on sys.path.
LIKE_EDITABLE = """\
import sys
from importlib.machinery import PathFinder

class Last:
    def find_spec(name, *_):
        return PathFinder.find_spec(name, [{root!r}])

sys.path.remove({root!r})
sys.meta_path.insert(sys.meta_path.index(PathFinder) + 1, Last)
from job_status import main
sys.exit(main())
"""


def hide(name: str, folder: Path) -> Path:
    """Makes a package of this name that fails if it is imported; returns its file."""
    file = folder / name / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text("raise RuntimeError('imported')\n")
    return file


def python(
    *arguments: str, cwd: Path, first: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs Python in a directory; with `first`, its packages come before those of job-status."""
    path = os.pathsep.join(str(each) for each in (first, ROOT) if each)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_the_command_names_the_file_in_a_directory_of_pythonpath(name: str, tmp_path: Path) -> None:
    file = hide(name, tmp_path / "first")
    done = python(*COMMAND, "--version", cwd=tmp_path, first=tmp_path / "first")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: {file} hides the package {name} of job-status",
        f"  rename it, or remove {tmp_path / 'first'} from PYTHONPATH",
    ]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_command_works_in_a_directory_with_such_a_package(name: str, tmp_path: Path) -> None:
    hide(name, tmp_path)
    script = tmp_path / "bin" / "job-status"
    script.parent.mkdir()
    script.write_text(COMMAND[1])
    done = python(str(script), "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["transforms", "schemas"])
def test_the_module_names_the_file_in_the_current_directory(name: str, tmp_path: Path) -> None:
    file = hide(name, tmp_path)
    done = python("-m", "pipeline", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"error: {file} hides the package {name} of job-status",
        f"  rename it, or start from elsewhere: Python searches {tmp_path} first",
    ]


def test_a_module_of_one_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "schemas.py").write_text("")
    done = python("-m", "pipeline", "--version", cwd=tmp_path)
    assert done.stderr.startswith(f"error: {tmp_path / 'schemas.py'} hides the package schemas")


def test_a_folder_hides_a_package_of_a_checkout(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    done = python("-c", LIKE_EDITABLE.format(root=str(ROOT)), "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'schemas'} hides the package schemas")


def test_a_package_that_was_installed_over_ours_is_named(tmp_path: Path) -> None:
    hide("schemas", tmp_path)
    shutil.copy(ROOT / "job_status.py", tmp_path)
    done = python(*COMMAND, "--version", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1].startswith("  it was installed over job-status: install")


def test_the_import_of_the_transforms_names_the_file(tmp_path: Path) -> None:
    file = hide("schemas", tmp_path)
    done = python("-c", "import transforms", cwd=tmp_path)
    assert done.stderr.splitlines()[-2:] == [
        f"ImportError: {file} hides the package schemas of job-status",
        f"  rename it, or start from elsewhere: Python searches {tmp_path} first",
    ]


def test_the_transforms_need_no_package_pipeline(tmp_path: Path) -> None:
    hide("pipeline", tmp_path)
    done = python("-c", "import transforms", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
