"""A shell reads a command in narrow lines as the same command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from pipeline.report.shell_lines import as_called, shell_lines

_printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
_words = st.lists(
    st.lists(_printable | st.sampled_from([" ", "'", '"', "\\", "$(x)", "é中", "-", "/a" * 30]))
    .map("".join)
    .filter(bool),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60)
@given(_words, st.integers(20, 80))
def test_a_shell_reads_the_same_words(words: list[str], width: int) -> None:
    lines = shell_lines(["printf", r"%s\0", *words], None, width)
    done = subprocess.run(["sh", "-c", "\n".join(lines)], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize("name", ["plain.yaml", "a b.yaml", "long" * 40 + ".yaml"])
def test_a_shell_writes_to_the_same_file(name: str) -> None:
    lines = shell_lines(["printf", "%s", "x"], name, 40)
    assert all(cell_len(line) <= 40 for line in lines)
    script = "\n".join(lines).replace(">", "'>'")
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == f"x>{name}"


def test_a_short_command_is_one_line() -> None:
    assert shell_lines(["job-status", "inspect", "my out"], "a.txt", 80) == [
        "  job-status inspect 'my out' > a.txt"
    ]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the program into a directory that is not on PATH, and calls it by its path."""
    path = tmp_path / "bin" / "job-status"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.chdir(tmp_path)
    return path


def test_a_program_that_is_not_on_the_path_is_called_by_its_path(program: Path) -> None:
    assert as_called(["job-status", "inspect", "out"]) == ["bin/job-status", "inspect", "out"]


def test_a_program_on_the_path_is_called_by_its_name(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert as_called(["job-status", "inspect"]) == ["job-status", "inspect"]


def test_another_program_of_the_same_name_on_the_path_is_not_called(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = program.parent.parent / "other" / "job-status"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert as_called(["job-status", "inspect"]) == ["bin/job-status", "inspect"]


def test_in_a_program_that_uses_the_library_the_command_has_its_name(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["backfill.py"])
    assert as_called(["job-status", "inspect"]) == ["job-status", "inspect"]
