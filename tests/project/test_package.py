"""The wheel holds all that an installation needs, and imports between packages point one way."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipeline", "transforms", "schemas")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and nothing else."""
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
    def test_it_holds_the_data_and_the_command(self, installed: Path, tmp_path: Path) -> None:
        data = {
            path.relative_to(ROOT / "schemas").as_posix(): path.read_bytes()
            for path in (ROOT / "schemas").rglob("*")
            if path.suffix in (".avsc", ".yaml")
        }
        assert {
            "job_status_event.v1.avsc",
            "dead_letter.v1.avsc",
            "job_status.yaml",
        } <= data.keys()
        program = """
            import importlib.metadata, importlib.resources, sys
            import schemas
            assert sys.prefix in schemas.__file__, schemas.__file__
            assert importlib.metadata.version("job-status")
            assert importlib.resources.files("pipeline.report.html").joinpath("page.css").is_file()
            for name in sys.argv[1:]:
                file = importlib.resources.files("schemas").joinpath(name)
                sys.stdout.buffer.write(file.read_bytes())
        """
        read = subprocess.run(
            [installed / "bin" / "python", "-I", "-c", textwrap.dedent(program), *data],
            check=True,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
        )
        assert read.stdout == b"".join(data.values())
        assert (installed / "bin" / "job-status").exists()

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


class TestLayers:
    @pytest.mark.parametrize(
        ("package", "forbidden"),
        [
            ("schemas", {"apache_beam", "transforms", "pipeline"}),
            ("transforms", {"pipeline"}),
        ],
    )
    def test_imports_point_one_way(self, package: str, forbidden: set[str]) -> None:
        modules = list((ROOT / package).rglob("*.py"))
        assert modules
        for module in modules:
            for node in ast.walk(ast.parse(module.read_text())):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                    assert node.level < len(module.relative_to(ROOT).parts), module
                found = {name.partition(".")[0] for name in names}
                assert not found & forbidden, f"{module.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]
