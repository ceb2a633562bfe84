"""The scripts create the environment, and run the job and the tests."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.interpreters import VERSIONS
from tests.machine import OTHER_VERSION, REAL, RECORDING, ROOT, SCRIPTS, WITHOUT_VENV, Machine

PYTEST = "pytest --numprocesses auto --dist worksteal"
DEFAULT_TESTS = f"{PYTEST} -m not system and not project"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


CHECKED = ["pip .", "pip check", "kernel", "compile"]
INSTALLED = ["venv", "pip requirements.lock", *CHECKED]
INSTALLED_FOR_TESTS = ["venv", "pip requirements-dev.lock", *CHECKED]
LINTERS = ["ruff check .", "ruff format --check .", "mypy"]


@pytest.mark.parametrize("script", SCRIPTS)
class TestMissingInterpreter:
    def test_a_missing_python3_is_reported_in_one_line(self, machine: Machine, script: str) -> None:
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
    def test_an_unsupported_version_is_reported_in_one_line(
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

    def test_a_missing_venv_module_is_reported_in_one_line(
        self, machine: Machine, script: str
    ) -> None:
        machine.python(WITHOUT_VENV)
        done = machine.run(script)
        version = "{}.{}".format(*sys.version_info[:2])
        assert done.returncode == 1
        assert done.stderr == (
            f"{script}: python3 is Python {version} without the venv or ensurepip module: "
            f"install it (on Debian and Ubuntu: apt install python{version}-venv)\n"
        )

    def test_a_named_interpreter_that_does_not_run_is_reported_in_one_line(
        self, machine: Machine, script: str
    ) -> None:
        machine.python(RECORDING)
        done = machine.run(script, PYTHON="/nowhere/python3")
        assert done.returncode == 1
        assert done.stderr.startswith(f"{script}: PYTHON=/nowhere/python3 does not run: ")
        assert done.stderr.count("\n") == 1


class TestInterpreter:
    def test_a_suitable_interpreter_is_found_after_one_that_is_too_new(
        self, machine: Machine
    ) -> None:
        machine.python(OTHER_VERSION, version="3, 14, 0")
        machine.python(RECORDING, name="python3.12")
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == INSTALLED

    def test_a_suitable_interpreter_is_found_after_one_without_venv(self, machine: Machine) -> None:
        machine.python(WITHOUT_VENV)
        machine.python(RECORDING, name="python3.13")
        assert machine.run("run_local.sh", "schema").returncode == 0

    def test_the_named_interpreter_is_used(self, machine: Machine) -> None:
        machine.python(OTHER_VERSION, version="3, 9, 0")
        machine.python(RECORDING, name="mine")
        assert machine.run("run_local.sh", "schema", PYTHON="mine").returncode == 0
        # Later starts do not need PYTHON, because .venv contains the interpreter.
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.run("run_tests.sh").returncode == 0

    def test_an_environment_of_another_version_is_replaced(self, machine: Machine) -> None:
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
        assert tuple(v for v in minors if v in SpecifierSet(bound[1])) == VERSIONS
        assert tuple(re.findall(r'Python :: (3\.\d+)"', text)) == VERSIONS
        assert " | ".join(VERSIONS) + ")" in (ROOT / "scripts" / "venv.sh").read_text()


def kill_while_installing(machine: Machine, script: str) -> None:
    machine.called()
    process = machine.start(script, SLOW="0.2")
    while not machine.calls.exists() or "pip" not in machine.calls.read_text():
        assert process.poll() is None
    process.kill()
    process.communicate()


class TestInstallation:
    def test_the_second_start_installs_nothing(self, machine: Machine) -> None:
        machine.python(RECORDING)
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == INSTALLED
        again = machine.run("run_local.sh", "schema")
        assert (again.returncode, again.stderr) == (0, "")
        assert machine.called() == []

    def test_installed_scripts_contain_the_final_path_of_the_environment(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        script = machine.root / ".venv" / "bin" / "job-status"
        assert script.read_text().splitlines()[1] == f"# {script.parent}"

    def test_the_development_environment_also_runs_the_job(self, machine: Machine) -> None:
        machine.python(RECORDING)
        assert machine.run("run_tests.sh").returncode == 0
        assert machine.called() == [*INSTALLED_FOR_TESTS, *LINTERS, DEFAULT_TESTS]
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == []

    def test_the_development_tools_are_installed_into_a_new_environment(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        machine.run("run_tests.sh")
        assert machine.called() == [*INSTALLED_FOR_TESTS, *LINTERS, DEFAULT_TESTS]
        assert machine.environments() == [".venv"]

    @pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "setup.py"])
    def test_a_changed_file_installs_again(self, machine: Machine, name: str) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        with (machine.root / name).open("a") as file:
            file.write("\n")
        machine.run("run_local.sh", "schema")
        assert machine.called() == INSTALLED

    @pytest.mark.parametrize("is_link", [False, True])
    def test_an_environment_that_the_scripts_did_not_make_is_replaced(
        self, machine: Machine, is_link: bool
    ) -> None:
        machine.python(RECORDING)
        other = machine.elsewhere if is_link else machine.root / ".venv"
        other.mkdir(exist_ok=True)
        (other / "file").touch()
        if is_link:
            (machine.root / ".venv").symlink_to(other)
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.environments() == [".venv"]
        assert not (machine.root / ".venv" / "file").exists()
        assert (other / "file").exists() == is_link

    @pytest.mark.parametrize("how", ["fails", "is killed"])
    def test_an_interrupted_installation_starts_again_from_the_beginning(
        self, machine: Machine, how: str
    ) -> None:
        machine.python(RECORDING)
        if how == "fails":
            assert machine.run("run_local.sh", "schema", FAIL="pip").returncode == 1
        else:
            kill_while_installing(machine, "run_local.sh")
        machine.called()
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == INSTALLED
        assert machine.environments() == [".venv"]

    @pytest.mark.parametrize("how", ["fails", "is killed"])
    def test_an_interrupted_installation_keeps_the_old_environment(
        self, machine: Machine, how: str
    ) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        if how == "fails":
            assert machine.run("run_tests.sh", FAIL="pip").returncode == 1
        else:
            kill_while_installing(machine, "run_tests.sh")
        machine.called()
        assert machine.run("run_local.sh", "schema").returncode == 0
        assert machine.called() == []

    def test_a_moved_checkout_is_installed_again(self, machine: Machine) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        machine.called()
        machine.root = machine.root.rename(machine.root.with_name("moved"))
        machine.run("run_local.sh", "schema")
        assert machine.called() == INSTALLED

    def test_concurrent_first_starts_install_once(self, machine: Machine) -> None:
        machine.python(RECORDING)
        started = [machine.start("run_local.sh", "schema", SLOW="0.3") for _ in range(4)]
        ended = [process.communicate(timeout=60) for process in started]
        assert [process.returncode for process in started] == [0] * 4
        assert machine.called() == INSTALLED
        assert sum("waiting for another start" in err for _, err in ended) == 3


class TestFailure:
    """A set-up that fails states the reason and keeps the existing environment."""

    def test_an_unknown_cause_is_shown_without_advice(self, machine: Machine) -> None:
        machine.python(RECORDING)
        done = machine.run("run_local.sh", FAIL="pip")
        assert done.returncode == 1
        assert done.stderr.splitlines()[2:] == [
            "run_local.sh: installing requirements.lock failed:",
            "  ERROR: broken",
            f"run_local.sh: the complete output is in {machine.root}/.venv.log",
        ]

    def test_the_existing_environment_is_unchanged(self, machine: Machine) -> None:
        machine.python(RECORDING)
        machine.run("run_local.sh", "schema")
        before = contents(machine.root / ".venv")
        done = machine.run("run_tests.sh", FAIL="pip")
        assert "run_tests.sh: .venv is unchanged" in done.stderr.splitlines()
        assert contents(machine.root / ".venv") == before
        assert machine.environments() == [".venv"]

    @pytest.mark.parametrize(
        ("output", "advice"),
        [
            (
                "ERROR: Could not install packages due to an OSError: "
                "[Errno 28] No space left on device",
                "the disk is full: free some space",
            ),
            (
                "ERROR: Exception:\nTraceback (most recent call last):\n  a\n  b\n  c\n  d\n"
                "pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.",
                "the package index cannot be reached: check the network and the proxy",
            ),
        ],
    )
    def test_a_known_cause_is_shown_with_advice(
        self, machine: Machine, output: str, advice: str
    ) -> None:
        machine.python(RECORDING)
        first, last = output.splitlines()[0], output.splitlines()[-1]
        lines = machine.run("run_local.sh", FAIL="pip", MESSAGE=output).stderr.splitlines()
        assert lines.count(f"run_local.sh: {advice}") == 1
        assert f"  {first}" in lines
        assert f"  {last}" in lines

    def test_a_problem_that_pip_check_finds_is_shown(self, machine: Machine) -> None:
        machine.python(RECORDING)
        problem = "job-status 0.1.0 requires avro, which is not installed."
        assert f"  {problem}\n" in machine.run("run_local.sh", FAIL="pip", MESSAGE=problem).stderr

    def test_wrong_hashes_are_not_reported_as_a_network_problem(self, machine: Machine) -> None:
        machine.python(REAL)
        require_example(machine)
        with zipfile.ZipFile(machine.elsewhere / "example-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("example-1.0.dist-info/METADATA", "Name: example\nVersion: 1.0\n")
        done = machine.run(
            "run_local.sh", PIP_NO_INDEX="1", PIP_FIND_LINKS=machine.elsewhere.as_uri()
        )
        assert done.returncode == 1
        assert "  ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
        assert "\n      example==1.0 from file:" in done.stderr
        assert f"Expected     or {49:064}\n" in done.stderr
        assert "the package index serves other files than the lock file names" in done.stderr
        assert "network" not in done.stderr

    def test_an_unreachable_index_is_reported_as_a_network_problem(self, machine: Machine) -> None:
        machine.python(REAL)
        require_example(machine)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            done = machine.run("run_local.sh", PIP_INDEX_URL=address, PIP_RETRIES="1")
        assert done.returncode == 1
        assert "  ERROR: No matching distribution found for example==1.0" in done.stderr
        assert "cannot be reached: check the network and the proxy\n" in done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def require_example(machine: Machine) -> None:
    """Makes the lock file require a package, with as many hashes as a real one, all wrong."""
    hashes = " ".join(f"--hash=sha256:{number:064}" for number in range(50))
    (machine.root / "requirements.lock").write_text(f"example==1.0 {hashes}\n")


class TestRunLocal:
    def test_arguments_are_passed_to_job_status_in_the_current_directory(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        done = machine.run("run_local.sh", "run", "--input", "a b*", "--output", "$x", "")
        assert done.stdout == f"{machine.elsewhere}|run|--input|a b*|--output|$x||"

    def test_without_arguments_the_samples_are_processed(self, machine: Machine) -> None:
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

    def test_the_script_can_be_called_through_links(self, machine: Machine) -> None:
        machine.python(RECORDING)
        relative = machine.root.parent / "relative"
        relative.symlink_to(Path("a checkout", "run_local.sh"))
        (machine.elsewhere / "link").symlink_to(relative)
        for link in (relative, machine.elsewhere / "link"):
            done = machine.run(link, "schema")
            assert (done.returncode, done.stdout) == (0, f"{machine.elsewhere}|schema|")
        assert machine.called() == INSTALLED


class TestRunTests:
    def test_without_arguments_it_runs_the_default_tests_and_names_the_option_for_all(
        self, machine: Machine
    ) -> None:
        machine.python(RECORDING)
        done = machine.run("run_tests.sh")
        assert done.returncode == 0
        assert machine.called()[-1] == DEFAULT_TESTS
        assert done.stderr.endswith("./run_tests.sh --all runs every test\n")

    def test_all_runs_every_test_with_more_examples(self, machine: Machine) -> None:
        machine.python(RECORDING)
        assert machine.run("run_tests.sh", "--all", "tests/schemas").returncode == 0
        assert machine.called()[-1] == f"{PYTEST} --hypothesis-profile thorough tests/schemas"

    def test_other_arguments_are_passed_to_pytest(self, machine: Machine) -> None:
        machine.python(RECORDING)
        assert machine.run("run_tests.sh", "--require-all", "-k", "a or b").returncode == 0
        assert machine.called()[-1] == f"{PYTEST} --require-all -k a or b"

    def test_all_checks_run_and_the_first_failure_counts(self, machine: Machine) -> None:
        machine.python(RECORDING)
        done = machine.run("run_tests.sh", "tests", FAIL="ruff")
        assert done.returncode == 7
        assert machine.called()[-4:] == [*LINTERS, f"{PYTEST} tests"]
        assert done.stderr.endswith("run_tests.sh: failed: ruff check, ruff format\n")

    def test_ci_requires_everything(self, machine: Machine) -> None:
        machine.python(RECORDING)
        (machine.root / ".ci").mkdir()
        shutil.copy(ROOT / ".ci/run", machine.root / ".ci/run")
        assert machine.run(".ci/run").returncode == 0
        assert machine.called()[-1] == f"{PYTEST} --hypothesis-profile thorough --require-all"
