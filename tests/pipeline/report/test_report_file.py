"""`--report` writes the format of its extension. Another name is an error before the run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from schemas.manifest import Manifest
from tests.pipeline.command import Said, job_status, run, visible, write_events


@pytest.fixture
def arguments(tmp_path: Path) -> list[str | Path]:
    path = write_events(tmp_path / "in.jsonl", 0, 3, bad=1)
    return ["--input", path, "--output", tmp_path / "out"]


@pytest.mark.parametrize("name", ["report.html", "REPORT.HTML"])
def test_a_name_in_html_is_a_page(arguments: list[str | Path], tmp_path: Path, name: str) -> None:
    assert run(*arguments, "--report", tmp_path / name).code == 0
    text = (tmp_path / name).read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "4 read = 3 written + 1 dead-lettered + 0 ignored" in text


def test_a_name_in_json_is_the_manifest(arguments: list[str | Path], tmp_path: Path) -> None:
    assert run(*arguments, "--report", tmp_path / "report.JSON").code == 0
    report = json.loads((tmp_path / "report.JSON").read_bytes())
    assert report["by_provider"] == {"lever": {"published": 3}}
    assert report["by_day"] == {"2025-05-01": 3}


def _assert_refused(said: Said, tmp_path: Path) -> None:
    assert said.code == 2
    assert "is neither .json nor .html" in said.err
    assert not (tmp_path / "out").exists() or visible(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["report", "report.txt", "report.json.gz", "html"])
def test_another_name_is_an_error_before_the_run_starts(
    arguments: list[str | Path], tmp_path: Path, name: str
) -> None:
    _assert_refused(run(*arguments, "--report", tmp_path / name), tmp_path)


def test_a_replay_accepts_the_same_names(arguments: list[str | Path], tmp_path: Path) -> None:
    replay = ("replay", tmp_path / "out", "--output", tmp_path / "out", "--report")
    _assert_refused(job_status(*replay, tmp_path / "report.csv"), tmp_path)
    run(*arguments)
    # The dead letters cannot be repaired.
    assert job_status(*replay, tmp_path / "report.html").code == 4
    assert "job-status run" in (tmp_path / "report.html").read_text("utf-8")


def test_an_unknown_scheme_is_an_error_before_the_run_starts(
    arguments: list[str | Path], tmp_path: Path
) -> None:
    said = run(*arguments, "--report", "nowhere://x/report.json")
    assert said.code == 2
    assert not (tmp_path / "out").exists()


ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "report.md").read_text("utf-8")


def test_the_commands_of_the_guide_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^job-status (.*)$", GUIDE, re.MULTILINE)
    assert len(commands) == 2
    for line in commands:
        assert job_status(*shlex.split(line)).code == 0
    assert Path("report.json").exists() and Path("report.html").exists()


def test_the_guide_names_every_key() -> None:
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)
    named = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(Manifest.__struct_fields__)


def test_the_links_of_the_guide_have_a_target() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", GUIDE):
        assert (ROOT / "docs" / target).is_file()
