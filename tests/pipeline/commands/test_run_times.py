"""`job-status run` reads the timestamps of recorded data, and describes those that it cannot."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from schemas.manifest import Manifest
from tests.conftest import ReadRecords
from tests.pipeline.command import run

pytestmark = pytest.mark.usefixtures("no_sync")


def _jobs(path: Path, *times: str) -> Path:
    jobs = [{"id": str(number), "updated_at": time} for number, time in enumerate(times)]
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    return path


def test_an_offset_without_a_colon_is_read(tmp_path: Path, read_records: ReadRecords) -> None:
    times = ("2025-05-15T18:31:03+0000", "2025-05-15T18:31:03.250+0530", "2025-05-15T18:31:03Z")
    path = _jobs(tmp_path / "jobs.jsonl", *times)
    assert run("--input", path, "--output", tmp_path / "out").code == 0
    assert [record["event_time"] for record in read_records(tmp_path / "out")] == [
        datetime(2025, 5, 15, 18, 31, 3, tzinfo=timezone.utc),
        datetime(2025, 5, 15, 13, 1, 3, 250_000, tzinfo=timezone.utc),
        datetime(2025, 5, 15, 18, 31, 3, tzinfo=timezone.utc),
    ]


def test_unreadable_timestamps_are_reported_by_field_and_shape(tmp_path: Path) -> None:
    path = _jobs(tmp_path / "jobs.jsonl", "2025-05-15 18:31:03", "2025-05-15 18:31:04", "<b>")
    report = tmp_path / "report.json"
    done = run("--input", path, "--output", tmp_path / "out", "--report", report)
    assert Manifest.from_json(report.read_bytes()).unreadable_by_field == {
        "updated_at": {"9999-99-99 99:99:99": 2, "<a>": 1}
    }
    assert "updated_at 9999-99-99 99:99:99 (2)" in " ".join(done.err.split())
    assert "2025" not in done.err.partition("what to do next")[2]


def test_the_page_lists_the_shapes_of_unreadable_timestamps(tmp_path: Path) -> None:
    path = _jobs(tmp_path / "jobs.jsonl", "<b> 2025")
    page = tmp_path / "report.html"
    run("--input", path, "--output", tmp_path / "out", "--report", page)
    assert '<td>updated_at</td><td class="text">&lt;a&gt; 9999</td>' in page.read_text()


def test_a_missing_offset_is_assumed_only_on_request(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    path = _jobs(tmp_path / "jobs.jsonl", "2025-05-15T18:31:03", "2025-05-15T18:31:03+01:00")
    arguments = ("--input", path, "--output", tmp_path / "out", "--assume_timezone=-05:00")
    done = run(*arguments, "--report", tmp_path / "r.json")
    assert [record["event_time"].hour for record in read_records(tmp_path / "out")] == [23, 17]
    assert Manifest.from_json((tmp_path / "r.json").read_bytes()).assumed_timezone == 1
    assert "assumed zone" in done.err
