"""The wheel and the source distribution hold everything that an installation needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_status import PACKAGES
from schemas.version import PIPELINE_VERSION
from tests.clone import clone_checkout

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
DISTRIBUTIONS = ("wheel", "sdist")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The distributions of the files that git tracks. The wheel is built from the other one."""
    folder = tmp_path_factory.mktemp("package")
    clone_checkout(folder / "source")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(folder / "source")], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def environment(folder: Path) -> Path:
    """Makes an environment without pip; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def install(python: Path, *what: str | Path) -> None:
    """Installs into an environment what needs no other package."""
    command = [*PIP, "--python", str(python), "install", "--no-deps", "--no-compile"]
    subprocess.run([*command, *map(str, what)], check=True)


def tracked() -> list[str]:
    """Returns the paths of all files of the packages and of the entry point."""
    command = ["git", "ls-files", *PACKAGES, "job_status.py"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that contains only the wheel."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    install(environment(venv), "--no-index", built["wheel"])
    return venv


class TestFiles:
    def test_the_wheel_has_every_file_of_the_packages(self, built: dict[str, Path]) -> None:
        assert {Path(name).suffix for name in tracked()} >= {".py", ".pyi", ".yaml", ".avsc"}
        with zipfile.ZipFile(built["wheel"]) as archive:
            for name in tracked():
                assert archive.read(name) == (ROOT / name).read_bytes(), name

    def test_the_sdist_has_every_file_of_the_packages(self, built: dict[str, Path]) -> None:
        top = built["sdist"].name.removesuffix(".tar.gz")
        with tarfile.open(built["sdist"]) as archive:
            for name in (*tracked(), "pyproject.toml", "README.md", "LICENSE"):
                file = archive.extractfile(f"{top}/{name}")
                assert file is not None and file.read() == (ROOT / name).read_bytes(), name

    def test_the_wheel_has_nothing_else(self, built: dict[str, Path]) -> None:
        with zipfile.ZipFile(built["wheel"]) as archive:
            others = set(archive.namelist()) - set(tracked())
        assert all(f"job_status-{PIPELINE_VERSION}.dist-info/" in name for name in others)


class TestTypes:
    def test_each_package_is_marked_as_typed(self, installed: Path) -> None:
        marked = installed.glob("lib/python*/site-packages/*/py.typed")
        assert {path.parent.name for path in marked} == set(PACKAGES)

    def test_mypy_finds_a_wrong_argument(self, installed: Path, tmp_path: Path) -> None:
        (tmp_path / "user.py").write_text(
            "import pipeline, transforms\nfrom schemas import UsageError\nUsageError(1)\n"
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


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment with the locked packages. It is removed: pytest would keep a gigabyte."""
    venv = tmp_path_factory.mktemp("locked") / "venv"
    install(environment(venv), "--require-hashes", "-r", ROOT / "requirements.lock")
    yield venv
    shutil.rmtree(venv)


class Installation:
    """An installed distribution. Its programs see no checkout, and no home but `home`."""

    def __init__(self, venv: Path, place: Path, home: Path) -> None:
        self._venv = venv
        self.place = place
        self._home = home

    def run(self, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs a program of the environment in an empty directory."""
        return subprocess.run(
            [str(self._venv / "bin" / program), *arguments],
            cwd=self.place,
            env={"HOME": str(self._home), "PATH": os.environ["PATH"], **more},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module", params=DISTRIBUTIONS)
def installation(
    request: pytest.FixtureRequest,
    locked: Path,
    built: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Installation:
    """A distribution that pip has installed beside the locked packages."""
    which = built[request.param]
    install(locked / "bin" / "python", "--force-reinstall", "--no-build-isolation", which)
    folder = tmp_path_factory.mktemp(request.param)
    # All distributions use one home: the kernel is compiled once.
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    return Installation(locked, folder, home)


@pytest.mark.needs("package_index")
@pytest.mark.timeout(1800)  # an installation of all packages
class TestInstallation:
    def test_the_command_prints_its_version(self, installation: Installation) -> None:
        done = installation.run("job-status", "--version")
        assert (done.returncode, done.stdout) == (0, f"{PIPELINE_VERSION}\n"), done.stderr

    def test_a_program_imports_every_public_name(self, installation: Installation) -> None:
        program = "\n".join(
            f"from {package} import *\nimport {package}\nprint(*{package}.__all__)"
            for package in PACKAGES
        )
        done = installation.run("python", "-c", program)
        stubs = "".join((ROOT / name / "__init__.pyi").read_text("utf-8") for name in PACKAGES)
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.split()) == sorted(re.findall(r" as (\w+)", stubs))

    def test_it_runs_on_generated_samples(self, installation: Installation) -> None:
        made = installation.run("job-status", "sample", "events", "--events", "300", "--seed", "1")
        assert made.returncode == 0, made.stderr
        arguments = ("--input", "events/*", "--output", "out", "--report", "report.json")
        done = installation.run("job-status", "run", *arguments)
        assert done.returncode == 0, done.stderr
        counts = json.loads((installation.place / "report.json").read_text("utf-8"))
        assert counts["conserved"] and counts["read"] > counts["written"] > 200

    @pytest.mark.parametrize("name", PACKAGES)
    def test_the_command_names_a_file_that_hides_a_package(
        self, name: str, installation: Installation, tmp_path: Path
    ) -> None:
        (tmp_path / name).mkdir()
        file = tmp_path / name / "__init__.py"
        file.touch()
        done = installation.run("job-status", "--version", PYTHONPATH=str(tmp_path))
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {file} hides the package {name} of job-status\n")
