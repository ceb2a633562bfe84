"""The scripts that make the environment and run the job and the tests."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.interpreters import VERSIONS
from tests.machine import OTHER_VERSION, RECORDING, ROOT, SCRIPTS, WITHOUT_VENV, Machine

PYTEST = "pytest --numprocesses auto --dist worksteal"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


INSTALLED = ["venv", "pip requirements.lock", "pip .", "pip check", "compile"]
INSTALLED_FOR_TESTS = ["venv", "pip requirements-dev.lock", "pip .", "pip check", "compile"]


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
        assert tuple(v for v in minors if v in SpecifierSet(bound[1])) == VERSIONS
        assert tuple(re.findall(r'Python :: (3\.\d+)"', text)) == VERSIONS
        assert " | ".join(VERSIONS) + ")" in (ROOT / "scripts" / "venv.sh").read_text()


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
