"""Logs are text for people or JSON for programs, and are limited in number."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.report.logs import _RateLimit, log_format_of
from tests.pipeline.command import write_events


@pytest.mark.parametrize(
    ("arguments", "log_format"),
    [
        ([], "text"),
        (["--log_format", "json"], "json"),
        (["--log_format=json"], "json"),
        (["--log_format", "text"], "text"),
        (["--log_format"], "text"),
        (["--log_format=yaml"], "text"),
    ],
)
def test_the_log_format_is_found_in_any_command_line(arguments: list[str], log_format: str) -> None:
    assert log_format_of(arguments) == log_format


def _run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from pipeline.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", "--input", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])


def test_with_json_every_line_is_a_record_with_severity_step_and_run(tmp_path: Path) -> None:
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


def test_with_json_an_error_has_the_severity_error(tmp_path: Path) -> None:
    done = _run(tmp_path / "none", "--output", str(tmp_path / "out"), "--log_format", "json")
    assert done.returncode == 3
    first = json.loads(done.stderr.splitlines()[0])
    assert first["severity"] == "ERROR"
    assert "no file matches" in first["message"]


@pytest.mark.parametrize("debug", [False, True])
def test_a_warning_of_a_library_is_printed_only_with_debug(debug: bool) -> None:
    code = f"""
import warnings
from pipeline.report.logs import set_up_logs
set_up_logs("text", {debug})
warnings.warn("this Python is old", FutureWarning)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert ("this Python is old" in done.stderr) == debug


def test_a_line_of_code_logs_ten_records_a_minute_and_then_their_number(
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


def test_each_line_of_code_has_its_own_limit() -> None:
    limit = _RateLimit()
    records = [
        logging.LogRecord("transforms.x", logging.ERROR, "x.py", line, "away", None, None)
        for line in range(50)
    ]
    assert all(limit.filter(record) for record in records)
