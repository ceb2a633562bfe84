"""The rules of the source tree: the direction of imports, the faces, the sizes."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A folder may import the folders below its name in these tables, and the schemas.
STEPS = ("read", "pubsub", "parse", "derive", "encode", "write")
TRANSFORMS = {
    "kernel": set(),
    "local": set(),
    "json": set(),
    "storage": {"local"},
    "blocks": {"json", "kernel", "local"},
    **{step: {"blocks", "json", "kernel", "storage", "local"} for step in STEPS},
    # Messages and files are recognised by the same first bytes.
    "pubsub": {"blocks", "json", "kernel", "storage", "local", "read"},
    # A compaction counts and commits as a run does.
    "compact": {"blocks", "storage", "local", "write"},
    # The whole flow as one transform.
    "normalize": {"blocks", "compact", "kernel", "storage", *STEPS} - {"pubsub"},
}
PIPELINE = {
    "stop_signals": set(),
    "options": set(),
    "graph": set(),
    "report": {"options"},
    "runners": {"graph", "options", "report", "stop_signals"},
    "setup": {"graph", "options", "report", "runners"},
    "sample": {"options", "report"},
    "mapping": {"options", "report", "setup"},
    "inspect": {"options", "report"},
    # The report page of a run has a mapping file to fill in.
    "commands": {"graph", "mapping", "options", "report", "runners", "setup"},
    "cli": {
        *("commands", "inspect", "mapping", "options", "report", "runners", "sample", "setup"),
        "stop_signals",
    },
    "entry": {"cli"},
    "__main__": set(),
}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Yields the dotted name and the path of each module of a package."""
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(path: Path) -> Iterator[str]:
    """Yields the dotted names that a module imports, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path} has a relative import"
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def folders_used(path: Path, package: str) -> set[str]:
    """Returns the parts of a package that a module imports."""
    dotted = (name.split(".") for name in imports_of(path))
    return {parts[1] for parts in dotted if parts[0] == package and len(parts) > 1}


@pytest.mark.parametrize(
    ("package", "others"),
    [("schemas", {"apache_beam", "transforms", "pipeline"}), ("transforms", {"pipeline"})],
)
def test_packages_import_in_one_direction(package: str, others: set[str]) -> None:
    for name, path in modules(package):
        used = {each.split(".")[0] for each in imports_of(path)}
        assert not used & others, name


@pytest.mark.parametrize(
    ("package", "allowed"), [("transforms", TRANSFORMS), ("pipeline", PIPELINE)]
)
def test_folders_import_only_what_stands_below_them(
    package: str, allowed: dict[str, set[str]]
) -> None:
    for name, path in modules(package):
        if name == package:
            continue
        folder = name.split(".")[1]
        assert folders_used(path, package) <= allowed[folder] | {folder}, name


def test_no_product_code_imports_tests_or_tools() -> None:
    for package in ("schemas", "transforms", "pipeline"):
        for name, path in modules(package):
            used = {each.split(".")[0] for each in imports_of(path)}
            assert not used & {"tests", "benchmarks", "scripts"}, name


def test_the_pipeline_uses_the_faces_of_the_transforms() -> None:
    for name, path in modules("pipeline"):
        for used in imports_of(path):
            parts = used.split(".")
            if parts[0] == "transforms" and len(parts) > 3:
                pytest.fail(f"{name} imports {used}: import it from {'.'.join(parts[:2])}")


def test_every_name_of_a_face_can_be_imported() -> None:
    for stub in ROOT.glob("*/**/__init__.pyi"):
        if stub.relative_to(ROOT).parts[0] not in ("schemas", "transforms", "pipeline"):
            continue
        face = importlib.import_module(".".join(stub.parent.relative_to(ROOT).parts))
        for name in face.__all__:
            assert getattr(face, name) is not None


def test_a_module_has_at_most_400_lines_and_a_folder_14_modules() -> None:
    for package in ("schemas", "transforms", "pipeline"):
        folders: dict[Path, int] = {}
        for name, path in modules(package):
            assert len(path.read_text("utf-8").splitlines()) <= 400, name
            folders[path.parent] = folders.get(path.parent, 0) + (path.name != "__init__.py")
        assert max(folders.values()) <= 14, folders


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["mapping", "--help"],
        ["mapping", "explain", '"open"'],
        ["mapping", "lint", "schemas/mapping/job_status.yaml"],
        ["mapping", "test", "tests/mapping_cases/traps.yaml"],
        ["mapping", "schema"],
        ["schema", "print"],
        ["inspect", "--help"],
        ["dead-letters", "--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_command_that_runs_no_job_does_not_import_beam(arguments: list[str]) -> None:
    code = (
        "import atexit, sys\n"
        "heavy = ('apache_beam', 'numba')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules]))\n"
        "from pipeline.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
