"""Repeats a command without a run id after a run that was interrupted during its commit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import OutputError
from tests.conftest import records_of
from tests.pipeline.command import Said, run, write_events
from transforms.storage import filesystem


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An input whose run wrote its intent, and failed before the first rename."""
    path = write_events(tmp_path / "in.jsonl", 0, 3)

    def refuse(pairs: Any) -> None:
        raise OutputError("cannot rename: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "rename", refuse)
        assert _again(path).code == 5
    assert not (tmp_path / "out" / "job_status").exists()
    return path


def _again(path: Path, *more: str) -> Said:
    return run("--input", path, "--output", path.parent / "out", *more)


def _ids(path: Path) -> list[str]:
    return sorted(record["job_id"] for record in records_of(path.parent / "out"))


@pytest.mark.parametrize("write_mode", ["error", "append"])
def test_the_same_command_completes_the_interrupted_run(interrupted: Path, write_mode: str) -> None:
    report = interrupted.parent / "report.json"
    said = _again(interrupted, "--write_mode", write_mode, "--report", str(report))
    assert said.code == 0, said.err
    assert "completed the run" in said.err and "the same input" in said.err
    assert _ids(interrupted) == ["0", "1", "2"]
    assert report.exists()


@pytest.mark.parametrize("write_mode", ["error", "append"])
def test_the_same_command_runs_again_if_the_staged_files_are_gone(
    interrupted: Path, write_mode: str
) -> None:
    shutil.rmtree(interrupted.parent / "out" / "_staging")
    said = _again(interrupted, "--write_mode", write_mode)
    assert said.code == 0, said.err
    assert "the same input" not in said.err
    assert _ids(interrupted) == ["0", "1", "2"]


def test_a_changed_input_is_another_run(interrupted: Path) -> None:
    write_events(interrupted, 10, 4)
    assert _again(interrupted).code == 5
    assert _ids(interrupted) == ["0", "1", "2"]
    assert _again(interrupted, "--write_mode", "append").code == 0
    assert _ids(interrupted) == ["0", "1", "10", "11", "12", "13", "2"]


def test_other_options_are_another_run(interrupted: Path) -> None:
    assert _again(interrupted, "--provider", "lever").code == 5
    assert _ids(interrupted) == ["0", "1", "2"]


def test_a_command_that_overwrites_runs_again(interrupted: Path) -> None:
    assert _again(interrupted, "--write_mode", "overwrite").code == 0
    assert _ids(interrupted) == ["0", "1", "2"]
    assert len([*(interrupted.parent / "out" / "_manifest").iterdir()]) == 1


def test_the_same_command_is_refused_after_the_run_is_completed(interrupted: Path) -> None:
    assert _again(interrupted).code == 0
    assert _again(interrupted).code == 5
