"""The ways in which a checkout becomes a running program: scripts, locks, package data, layers."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "transforms", "schemas")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SCRIPTS = ("run_local.sh", "run_tests.sh")
LOCKS = ("requirements.lock", "requirements-dev.lock")
ALL_LOCKS = (*LOCKS, "deploy/requirements.lock")
PYTEST = "pytest --numprocesses auto --dist worksteal"

# Everything but Python that the scripts call.
TOOLS = (
    *("cat", "cksum", "cut", "dirname", "env", "grep", "head", "mkdir", "mv"),
    *("printf", "readlink", "rm", "sh", "sleep", "tail"),
)

# A python3 of another version: the real one, with another sys.version_info.
OTHER_VERSION = """\
#!/bin/sh
[ "$1" = -I ] && shift
exec {python} -I -c 'import sys; sys.version_info = ({version}); exec(sys.argv[2])' "$@"
"""

# A python3 as Debian ships it without python3-venv.
WITHOUT_VENV = """\
#!/bin/sh
[ "$1" = -I ] && shift
exec {python} -I -c 'import sys; sys.modules["ensurepip"] = None; exec(sys.argv[2])' "$@"
"""

# A python3 whose venv and pip only note that they were called; a job-status that prints its
# directory and arguments. $FAIL names the one that fails, $SLOW makes an installation last.
RECORDING = """\
#!/bin/sh
[ "$1" = -I ] && shift
case "$1 $2" in
  "-m venv")
    echo venv >>"$CALLS"
    for venv; do :; done
    rm -rf "$venv"
    mkdir -p "$venv/bin"
    cat "$0" >"$venv/bin/python"
    printf '#!/bin/sh\\nprintf "%%s|" "$PWD" "$@"\\n' >"$venv/bin/job-status"
    chmod +x "$venv/bin/python" "$venv/bin/job-status"
    ;;
  "-m pip")
    for last; do :; done
    echo "pip $last" >>"$CALLS"
    sleep "${{SLOW:-0}}"
    if [ "${{FAIL:-}}" = pip ]; then echo 'ERROR: No matching distribution found'; exit 1; fi
    ;;
  "-c import pipeline."*)
    echo compile >>"$CALLS"
    ;;
  "-m pytest" | "-m mypy" | "-m ruff")
    shift
    echo "$@" >>"$CALLS"
    if [ "${{FAIL:-}}" = "$1" ]; then exit 7; fi
    ;;
  *) exec {python} -I "$@" ;;
esac
"""


class Machine:
    """A copy of the scripts, and a PATH that holds what the test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        self.elsewhere = folder / "else where"
        for made in (self.root / "scripts", self.bin, self.elsewhere):
            made.mkdir(parents=True)
        for name in (*SCRIPTS, *LOCKS, "scripts/venv.sh", "pyproject.toml", "setup.py"):
            shutil.copy(ROOT / name, self.root / name)
        for tool in (*TOOLS, "chmod"):
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)

    def python(self, text: str, name: str = "python3", **values: str) -> None:
        """Puts an interpreter on PATH; `text` is a shell script, with {python} the real one."""
        path = self.bin / name
        path.write_text(text.format(python=f"'{sys.executable}'", **values))
        path.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.bin), "CALLS": str(self.calls), **more}

    def start(self, script: str | Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Starts a script of the checkout from another directory."""
        return subprocess.Popen(
            [str(self.root / script), *arguments],
            cwd=self.elsewhere,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(
        self, script: str | Path, *arguments: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script of the checkout from another directory, to its end."""
        process = self.start(script, *arguments, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def called(self) -> list[str]:
        """What was asked of venv, pip and the checks since the last time."""
        if not self.calls.exists():
            return []
        lines = self.calls.read_text().splitlines()
        self.calls.unlink()
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


INSTALLED = ["venv", "pip requirements.lock", "pip .", "compile"]
INSTALLED_FOR_TESTS = ["venv", "pip requirements-dev.lock", "pip .", "compile"]


@pytest.mark.parametrize("script", SCRIPTS)
class TestWhatIsMissingIsSaidInOneLine:
    def test_no_python3(self, machine: Machine, script: str) -> None:
        done = machine.run(script)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == (
            f"{script}: no python3 found: "
            "install Python 3.10 to 3.13, or name one with PYTHON=/path/to/python3\n"
        )

    @pytest.mark.parametrize(
        ("version", "age"), [("2, 7, 18", "old"), ("3, 9, 18", "old"), ("3, 14, 0", "new")]
    )
    def test_unsupported_version(
        self, machine: Machine, script: str, version: str, age: str
    ) -> None:
        machine.python(OTHER_VERSION, version=version)
        done = machine.run(script)
        short = ".".join(version.split(", ")[:2])
        assert done.returncode == 1
        assert done.stderr == (
            f"{script}: python3 is Python {short}, too {age}: "
            "install Python 3.10 to 3.13, or name one with PYTHON=/path/to/python3\n"
        )

    def test_no_venv_module(self, machine: Machine, script: str) -> None:
        machine.python(WITHOUT_VENV)
        done = machine.run(script)
        version = "{}.{}".format(*sys.version_info[:2])
        assert done.returncode == 1
        assert done.stderr == (
            f"{script}: python3 is Python {version} without the venv or ensurepip module: "
            f"install it (on Debian and Ubuntu: apt install python{version}-venv)\n"
        )

    def test_the_named_interpreter_does_not_run(self, machine: Machine, script: str) -> None:
        machine.python(RECORDING)
        done = machine.run(script, PYTHON="/nowhere/python3")
        assert done.returncode == 1
        assert done.stderr.startswith(f"{script}: PYTHON=/nowhere/python3 does not run: ")
        assert done.stderr.count("\n") == 1

    def test_packages_cannot_be_fetched(self, machine: Machine, script: str) -> None:
        machine.python(RECORDING)
        done = machine.run(script, FAIL="pip")
        *_, last = done.stderr.splitlines()
        assert done.returncode == 1
        assert re.fullmatch(
            rf"{script}: installing requirements.*\.lock failed "
            r"\(ERROR: No matching distribution found\): check the network .*/\.venv\.log",
            last,
        )


class TestInterpreter:
    def test_a_suitable_one_is_found_behind_one_that_is_too_new(self, machine: Machine) -> None:
        machine.python(OTHER_VERSION, version="3, 14, 0")
        machine.python(RECORDING, name="python3.12")
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == INSTALLED

    def test_a_suitable_one_is_found_behind_one_without_venv(self, machine: Machine) -> None:
        machine.python(WITHOUT_VENV)
        machine.python(RECORDING, name="python3.13")
        assert machine.run("run_local.sh", "schema").returncode == 0

    def test_the_named_one_is_taken(self, machine: Machine) -> None:
        machine.python(OTHER_VERSION, version="3, 9, 0")
        machine.python(RECORDING, name="mine")
        assert machine.run("run_local.sh", "schema", PYTHON="mine").returncode == 0
        # It is not asked for again once .venv holds it.
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.run("run_tests.sh").returncode == 0

    def test_another_version_makes_the_environment_anew(self, machine: Machine) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        stamp = machine.root / ".venv" / "installed"
        stamp.write_text("3.9\n" + stamp.read_text().split("\n", 1)[1])
        machine.run("run_local.sh", "schema")
        assert machine.called() == INSTALLED

    def test_supported_versions_are_those_of_the_package(self) -> None:
        text = (ROOT / "pyproject.toml").read_text()
        bound = re.search(r'^requires-python = "(.*)"$', text, re.MULTILINE)
        assert bound
        minors = [f"3.{minor}" for minor in range(30)]
        assert tuple(v for v in minors if v in SpecifierSet(bound[1])) == PYTHONS
        assert tuple(re.findall(r'Python :: (3\.\d+)"', text)) == PYTHONS
        assert " | ".join(PYTHONS) + ")" in (ROOT / "scripts" / "venv.sh").read_text()


class TestInstallation:
    def test_the_second_start_installs_nothing(self, machine: Machine) -> None:
        machine.python(RECORDING)
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == INSTALLED
        again = machine.run("run_local.sh", "schema")
        assert (again.returncode, again.stderr) == (0, "")
        assert machine.called() == []

    def test_the_development_environment_serves_both(self, machine: Machine) -> None:
        machine.python(RECORDING)
        checks = ["ruff check .", "ruff format --check .", "mypy", PYTEST]
        assert machine.run("run_tests.sh").returncode == 0
        assert machine.called() == [*INSTALLED_FOR_TESTS, *checks]
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == []

    def test_the_development_tools_are_added_to_the_same_environment(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        machine.run("run_tests.sh")
        assert machine.called()[:2] == ["pip requirements-dev.lock", "pip ."]

    @pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "setup.py"])
    def test_a_changed_file_installs_again(self, machine: Machine, name: str) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        with (machine.root / name).open("a") as file:
            file.write("\n")
        machine.run("run_local.sh", "schema")
        assert machine.called() == INSTALLED[1:]

    @pytest.mark.parametrize("how", ["fails", "is killed"])
    def test_one_that_was_broken_off_is_made_from_nothing(self, machine: Machine, how: str) -> None:
        machine.python(RECORDING)
        if how == "fails":
            assert machine.run("run_local.sh", "schema", FAIL="pip").returncode == 1
        else:
            process = machine.start("run_local.sh", "schema", SLOW="0.2")
            while not machine.calls.exists() or "pip" not in machine.calls.read_text():
                assert process.poll() is None
            process.kill()
            process.communicate()
        machine.called()
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == INSTALLED

    def test_one_that_was_broken_off_by_an_update_is_made_from_nothing(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.run("run_tests.sh", FAIL="pip")
        machine.called()
        machine.run("run_local.sh", "schema")
        assert machine.called() == INSTALLED

    def test_a_moved_checkout_is_installed_again(self, machine: Machine) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        machine.root = machine.root.rename(machine.root.with_name("moved"))
        machine.run("run_local.sh", "schema")
        assert machine.called() == INSTALLED

    def test_first_starts_at_the_same_time_install_once(self, machine: Machine) -> None:
        machine.python(RECORDING)
        started = [machine.start("run_local.sh", "schema", SLOW="0.3") for _ in range(4)]
        ended = [process.communicate(timeout=60) for process in started]
        assert [process.returncode for process in started] == [0] * 4
        assert machine.called() == INSTALLED
        assert sum("waiting for another start" in err for _, err in ended) == 3


class TestRunLocal:
    def test_arguments_are_those_of_job_status_in_the_callers_directory(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        done = machine.run("run_local.sh", "run", "--input", "a b*", "--output", "$x", "")
        assert done.stdout == f"{machine.elsewhere}|run|--input|a b*|--output|$x||"

    def test_without_arguments_the_samples_are_run(self, machine: Machine) -> None:
        machine.python(RECORDING)
        done = machine.run("run_local.sh")
        assert done.stdout == (
            f"{machine.root}|run|--input|samples/*|--output|output|--write_mode|overwrite|"
        )
        assert f"{machine.root}/output/job_status" in done.stderr.splitlines()[-1]

    def test_the_exit_code_is_that_of_the_job(self, machine: Machine) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        (machine.root / ".venv/bin/job-status").write_text("#!/bin/sh\nexit 4\n")
        for arguments in ([], ["run"]):
            assert machine.run("run_local.sh", *arguments).returncode == 4

    def test_called_through_links(self, machine: Machine) -> None:
        machine.python(RECORDING)
        relative = machine.root.parent / "relative"
        relative.symlink_to(Path("a checkout", "run_local.sh"))
        (machine.elsewhere / "link").symlink_to(relative)
        for link in (relative, machine.elsewhere / "link"):
            done = machine.run(link, "schema")
            assert (done.returncode, done.stdout) == (0, f"{machine.elsewhere}|schema|")
        assert machine.called() == INSTALLED


class TestRunTests:
    def test_arguments_are_those_of_pytest(self, machine: Machine) -> None:
        machine.python(RECORDING)
        assert machine.run("run_tests.sh", "--require-all", "-k", "a or b").returncode == 0
        assert machine.called()[-1] == f"{PYTEST} --require-all -k a or b"

    def test_all_checks_run_and_the_first_failure_counts(self, machine: Machine) -> None:
        machine.python(RECORDING)
        done = machine.run("run_tests.sh", FAIL="ruff")
        assert done.returncode == 7
        assert machine.called()[-4:] == ["ruff check .", "ruff format --check .", "mypy", PYTEST]
        assert done.stderr.endswith("run_tests.sh: failed: ruff check, ruff format\n")

    def test_ci_requires_everything(self, machine: Machine) -> None:
        machine.python(RECORDING)
        (machine.root / ".ci").mkdir()
        shutil.copy(ROOT / ".ci/run", machine.root / ".ci/run")
        assert machine.run(".ci/run").returncode == 0
        assert machine.called()[-1] == f"{PYTEST} --require-all"


def _pins(name: str) -> Iterator[tuple[Requirement, list[str]]]:
    """The requirements of a lock file, each with its hashes."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def _versions(name: str, python: str, system: str) -> dict[str, str]:
    """What a lock file installs on a Python and a platform, by name."""
    environment = {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
    }
    found: dict[str, str] = {}
    for requirement, _ in _pins(name):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found
            found[requirement.name] = str(requirement.specifier)
    return found


class TestLocks:
    @pytest.mark.parametrize("name", ALL_LOCKS)
    def test_every_requirement_is_pinned_with_hashes(self, name: str) -> None:
        pins = list(_pins(name))
        assert len(pins) > 30
        for requirement, hashes in pins:
            assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
            assert requirement.url is None
            assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes)

    @pytest.mark.parametrize("name", ALL_LOCKS)
    def test_no_address_and_no_path(self, name: str) -> None:
        text = (ROOT / name).read_text()
        assert not re.search(r"://|index|find-links|@ |file:|(?<!\w)/", text)

    @pytest.mark.parametrize("system", ["linux", "darwin"])
    @pytest.mark.parametrize("python", PYTHONS)
    def test_the_development_lock_holds_the_other(self, python: str, system: str) -> None:
        runtime = _versions("requirements.lock", python, system)
        development = _versions("requirements-dev.lock", python, system)
        assert runtime.items() <= development.items()
        assert {"setuptools", "apache-beam"} <= runtime.keys()
        assert {"google-cloud-pubsub", "boto3", "pytest"} <= development.keys() - runtime.keys()

    def test_the_lock_of_the_image_lies_between_them(self) -> None:
        runtime, image, development = (
            _versions(name, "3.11", "linux") for name in (LOCKS[0], ALL_LOCKS[2], LOCKS[1])
        )
        assert runtime.items() <= image.items() <= development.items()
        assert {"google-cloud-pubsub", "google-cloud-storage", "boto3"} <= image.keys()
        assert "pytest" not in image

    @pytest.mark.parametrize("python", PYTHONS)
    def test_the_locks_hold_the_declared_dependencies(self, python: str) -> None:
        text = (ROOT / "pyproject.toml").read_text()
        lists = re.findall(r"^(\w+) = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
        declared = {key: re.findall(r'^ +"([^"]+)"', body, re.MULTILINE) for key, body in lists}
        for key, name in (("dependencies", LOCKS[0]), ("dev", LOCKS[1])):
            assert declared[key]
            locked = _versions(name, python, "linux")
            for text in declared[key]:
                requirement = Requirement(text)
                version = locked[canonicalize_name(requirement.name)].removeprefix("==")
                assert version in requirement.specifier, text


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
