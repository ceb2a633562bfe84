"""The wheel holds all that an installation needs, and imports between packages point one way."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "transforms", "schemas")


class TestPackage:
    def test_data_is_found_in_an_installed_wheel(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.mkdir()
        for name in (*PACKAGES, "setup.py", "pyproject.toml", "README.md", "LICENSE"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        build = ["wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
        subprocess.run([*pip, *build, str(source)], check=True)
        (wheel,) = tmp_path.glob("job_status-*.whl")

        venv = tmp_path / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        python = str(venv / "bin" / "python")
        install = ["--python", python, "install", "--no-index", "--no-deps", str(wheel)]
        subprocess.run([*pip, *install], check=True)

        data = {
            path.relative_to(ROOT / "schemas").as_posix(): path.read_bytes()
            for path in (ROOT / "schemas").rglob("*")
            if path.suffix in (".avsc", ".yaml")
        }
        assert {
            "job_status_event.v1.avsc",
            "dead_letter.v1.avsc",
            "job_status_mapping.yaml",
        } <= data.keys()
        program = """
            import importlib.metadata, importlib.resources, sys
            import schemas
            assert sys.prefix in schemas.__file__, schemas.__file__
            assert importlib.metadata.version("job-status")
            assert importlib.resources.files("pipeline.page").joinpath("page.css").is_file()
            for name in sys.argv[1:]:
                file = importlib.resources.files("schemas").joinpath(name)
                sys.stdout.buffer.write(file.read_bytes())
        """
        read = subprocess.run(
            [python, "-I", "-c", textwrap.dedent(program), *data],
            check=True,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
        )
        assert read.stdout == b"".join(data.values())
        assert (venv / "bin" / "job-status").exists()

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
