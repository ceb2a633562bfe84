"""What is logged: text for people, JSON for machines, and never too much of one kind."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.report.logs import _RateLimit, wanted_format
from tests.pipeline.command import write_events


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "text"),
        (["--log_format", "json"], "json"),
        (["--log_format=json"], "json"),
        (["--log_format", "text"], "text"),
        (["--log_format"], "text"),
        (["--log_format=yaml"], "text"),
    ],
)
def test_the_format_is_known_before_anything_is_said(arguments: list[str], wanted: str) -> None:
    assert wanted_format(arguments) == wanted


def _run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from pipeline.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", "--input", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])


def test_as_json_every_line_is_a_record_with_severity_step_and_run(tmp_path: Path) -> None:
    events = write_events(tmp_path / "events.jsonl", 0, 3)
    done = _run(events, "--output", str(tmp_path / "out"), "--run_id", "r1", "--log_format=json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert records
    for record in records:
        assert record["severity"] == "INFO"
        assert record["run_id"] == "r1"
        assert {"time", "message", "step"} <= record.keys()
    assert any("written" in record["message"] for record in records)


def test_as_json_an_error_is_of_severity_error(tmp_path: Path) -> None:
    done = _run(tmp_path / "none", "--output", str(tmp_path / "out"), "--log_format", "json")
    assert done.returncode == 3
    first = json.loads(done.stderr.splitlines()[0])
    assert first["severity"] == "ERROR"
    assert "no file matches" in first["message"]


@pytest.mark.parametrize("debug", [False, True])
def test_a_warning_of_a_library_is_printed_with_debug_alone(debug: bool) -> None:
    code = f"""
import warnings
from pipeline.report.logs import Log
Log("text", {debug})
warnings.warn("this Python is old", FutureWarning)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert ("this Python is old" in done.stderr) == debug


def test_a_place_in_the_code_logs_ten_times_a_minute_and_then_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("pipeline.report.logs.time.monotonic", lambda: now[0])
    limit = _RateLimit()
    passed = []
    for _ in range(130):
        record = logging.LogRecord("transforms.x", logging.ERROR, "x.py", 7, "away", None, None)
        if limit.filter(record):
            passed.append(record.getMessage())
        now[0] += 0.5
    assert passed == ["away"] * 10 + ["away (and 110 more like it)"] + ["away"] * 9


def test_other_places_are_limited_by_themselves() -> None:
    limit = _RateLimit()
    records = [
        logging.LogRecord("transforms.x", logging.ERROR, "x.py", line, "away", None, None)
        for line in range(50)
    ]
    assert all(limit.filter(record) for record in records)
