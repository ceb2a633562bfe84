"""The first lines of the summary say what went wrong with most of the events, and why."""

from __future__ import annotations

import pytest

from pipeline.options.run_options import RunOptions
from pipeline.report.headlines import headlines
from schemas.manifest import Manifest

OPTIONS = RunOptions(input=["in/*"], output="out")


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        ({}, ["nothing was read: the input has no events"]),
        ({"skipped_inputs": 3}, ["nothing was read: 3 files skipped, no other found"]),
        (
            {"read": 9, "ignored": 9},
            ["nothing was written: --event_types ats_jobs.* matches none of 9 events"],
        ),
        (
            {
                "read": 9,
                "dead_lettered": 7,
                "ignored": 2,
                "by_error_code": {"WRONG_TYPE": 1, "INVALID_JSON": 6},
            },
            [
                "nothing was written: 7 of 9 events became dead letters, 6 of them "
                "INVALID_JSON: the input may not be JSON"
            ],
        ),
        (
            {
                "read": 9,
                "written": 4,
                "dead_lettered": 5,
                "by_error_code": {"TOO_DEEP": 5},
            },
            ["5 of 9 events became dead letters, all of them TOO_DEEP"],
        ),
        (
            {"read": 2, "written": 1, "dead_lettered": 1, "by_error_code": {"WRONG_TYPE": 1}},
            [
                "1 of 2 events became a dead letter, WRONG_TYPE: a field may have another type "
                "than expected"
            ],
        ),
        (
            {
                "read": 4,
                "written": 4,
                "by_record_type": {"job": 4},
                "without_job_id": 4,
                "by_derivation": {"absent": 4},
            },
            [
                "neither an id nor a status in 4 of 4 events: their fields may have other names "
                "than those that are read: id, record_id; job_status, status"
            ],
        ),
        (
            {
                "read": 4,
                "written": 4,
                "by_record_type": {"job": 4},
                "without_job_id": 4,
                "by_derivation": {"absent": 2, "unmapped": 2},
            },
            [
                "no job id in 4 of 4 events: it is read from id, record_id",
                "no status in 2 of 4 events: it is read from job_status, status",
                "no rule for the status in 2 of 4 events: a mapping file adds rules",
            ],
        ),
        (
            {
                "read": 5,
                "written": 3,
                "dead_lettered": 2,
                "by_record_type": {"job": 3},
                "without_job_id": 1,
                "by_derivation": {"absent": 1},
            },
            [],
        ),
    ],
)
def test_what_went_wrong_with_most_events(counts: dict[str, object], lines: list[str]) -> None:
    report = Manifest(run_id="run")
    for name, value in counts.items():
        setattr(report, name, value)
    assert list(headlines(report, OPTIONS)) == lines
