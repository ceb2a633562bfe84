"""The help of all commands has one style, and is up to date."""

from __future__ import annotations

import shlex

import pytest

from pipeline.options.parser import parse_run
from tests.pipeline.command import assert_clear_error, job_status

COMMANDS = [
    *("run", "validate", "replay", "dead-letters", "inspect", "sample", "schema", "schema print"),
    *("schema check", "mapping", "mapping explain", "mapping test", "mapping print"),
    *("mapping suggest", "mapping lint", "mapping schema", "completion"),
]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that is wider than the help."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_fits_80_columns_and_has_examples_of_the_command(command: str) -> None:
    said = job_status("help", *command.split())
    assert said.code == 0
    assert [line for line in said.out.splitlines() if len(line) > 80] == []
    examples = said.out.partition("\nexamples:\n")[2].splitlines()
    assert examples and all(
        line.startswith((f"  job-status {command} ", f"  job-status {command}", "    "))
        for line in examples
    )
    assert "show this and exit" in said.out


@pytest.mark.parametrize("command", ["run", "validate", "replay"])
def test_the_examples_are_accepted(command: str) -> None:
    examples = job_status("help", command).out.partition("\nexamples:\n")[2]
    for line in examples.replace("\\\n", "").splitlines():
        parse_run(shlex.split(line)[2:], command)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--input", "", "--output", "out"],
        ["run", "--input", "x", "--output", ""],
        ["run", "--input", "x", "--output", "out", "--dead_letter_output", ""],
        ["run", "--input", "x", "--output", "out", "--provider", " "],
        ["run", "--input", "x", "--output", "out", "--mapping="],
        ["validate", "--input", "x", "", "--output", "out"],
        ["replay", "", "--output", "out"],
        ["compact", ""],
        ["dead-letters", ""],
        ["inspect", ""],
        ["mapping", "lint", ""],
        ["mapping", "suggest", ""],
        ["schema", "check", ""],
        ["sample", ""],
    ],
)
def test_an_empty_value_is_refused(arguments: list[str]) -> None:
    said = job_status(*arguments)
    assert_clear_error(said, 2, "the value is empty")


def test_an_empty_value_of_a_status_can_be_explained() -> None:
    said = job_status("mapping", "explain", "")
    assert said.code == 0
    assert "null by absent" in said.out


@pytest.mark.parametrize("arguments", [["help"], ["--help"]])
def test_the_commands_are_listed(arguments: list[str]) -> None:
    said = job_status(*arguments)
    assert said.code == 0
    assert all(f"\n  {command} " in said.out for command in COMMANDS if " " not in command)


def test_the_help_of_run_fits_two_screens_of_a_terminal() -> None:
    lines = job_status("help", "run").out.splitlines()
    assert len(lines) <= 86
    assert "  --input PATTERN ...         files to read, on any of Beam's filesystems" in lines
    assert "(default: 10MB)" in job_status("help", "run").out
