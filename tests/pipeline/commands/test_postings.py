"""A run reads job postings in every shape, beside jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import records_of
from tests.pipeline.command import run

pytestmark = pytest.mark.usefixtures("no_sync")

_EVENT = {"event": "ats_job_postings.updated", "account_id": "1"}
_JOB = {"id": "j", "job_status": {"source_value": "Live"}}


def _posting(number: int) -> dict[str, Any]:
    return {
        **{"id": f"p{number}", "remote_id": number, "job_id": "j", "remote_job_id": 7},
        "status": {"value": None, "source_value": "Live"},
    }


_LINES: list[Any] = [
    {**_EVENT, "event_data": _posting(0)},
    {**_EVENT, "data": [_posting(1), _posting(2)]},
    {**_EVENT, **_posting(3)},
    _posting(4),
    {"next": None, "data": [_posting(5), _JOB]},
    [_posting(6), {**_EVENT, "event_data": _posting(7)}, {"data": _posting(8)}, _JOB],
    {"event": "ats_jobs.updated", "event_data": _JOB},
    {**_EVENT, "event": "ats_job_postings.deleted", "record_id": "p9", "record_remote_id": 9},
]


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """A feed of jobs and postings."""
    path = tmp_path / "feed.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in _LINES))
    (tmp_path / "page.json").write_text(json.dumps({"data": [_posting(10)]}, indent=2))
    return tmp_path


def test_a_posting_in_every_shape_is_a_record(feed: Path) -> None:
    output, report = feed / "out", feed / "report.json"
    said = run("--input", feed / "*.json*", "--output", output, "--event_types", "ats_job*",
               "--report", report)  # fmt: skip
    assert said.code == 0, said.err
    assert records_of(output, "dead_letter") == []
    records = records_of(output)
    postings = {each["posting_id"]: each for each in records if each["posting_id"]}
    assert sorted(postings) == sorted(f"p{number}" for number in range(11))
    deleted = postings.pop("p9")
    assert (deleted["job_id"], deleted["remote_posting_id"]) == (None, "9")
    assert deleted["job_status"]["value"] == "deleted"
    for posting_id, posting in postings.items():
        assert posting["record_type"] == "job_posting"
        assert (posting["job_id"], posting["remote_job_id"]) == ("j", "7")
        assert posting["remote_posting_id"] == posting_id[1:]
        assert posting["legacy_status"] is None
        assert posting["job_status"]["value"] == "published"
        assert posting["job_status"]["source_value"] == "Live"
    jobs = [each for each in records if each["record_type"] == "job"]
    assert [(each["job_id"], each["job_status"]["value"]) for each in jobs] == [("j", "open")] * 3
    assert len({each["event_id"] for each in records}) == 13
    assert json.loads(report.read_bytes())["by_record_type"] == {"job": 3, "job_posting": 11}


def test_by_default_only_postings_without_an_event_type_are_records(feed: Path) -> None:
    output, report = feed / "out", feed / "report.json"
    assert run("--input", feed / "*.json*", "--output", output, "--report", report).code == 0
    postings = [each["posting_id"] for each in records_of(output) if each["posting_id"]]
    assert sorted(postings) == ["p10", "p4", "p5", "p6", "p8"]
    ignored = json.loads(report.read_bytes())["ignored_by_type"]
    assert ignored == {"ats_job_postings.updated": 4, "ats_job_postings.deleted": 1}
