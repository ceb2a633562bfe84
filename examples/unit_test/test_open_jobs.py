"""Tests a pipeline on the DirectRunner with golden files. Copy it beside your own pipeline.

    pytest test_open_jobs.py
    UPDATE_GOLDEN=1 pytest test_open_jobs.py    # writes the expected lines again: review the diff

`job-status sample golden --events 40 --seed 1 --shapes lines` made the events.
"""

from __future__ import annotations

import os
from pathlib import Path

import apache_beam as beam
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from open_jobs import OpenJobs

GOLDEN = Path(__file__).parent / "golden"


def test_the_open_jobs_are_those_of_the_golden_file(tmp_path: Path) -> None:
    expected = GOLDEN / "open_jobs.jsonl"
    with TestPipeline(runner="DirectRunner") as pipeline:
        lines = pipeline | beam.Create((GOLDEN / "events.jsonl").read_text("utf-8").splitlines())
        found = lines | OpenJobs()
        if "UPDATE_GOLDEN" in os.environ:
            found | beam.io.WriteToText(str(tmp_path / "found"), shard_name_template="")
        else:
            assert_that(found, equal_to(expected.read_text("utf-8").splitlines()))
    if "UPDATE_GOLDEN" in os.environ:
        expected.write_text("".join(sorted((tmp_path / "found").open())))


def test_a_line_that_is_no_event_is_no_open_job() -> None:
    with TestPipeline(runner="DirectRunner") as pipeline:
        assert_that(pipeline | beam.Create(["no json"]) | OpenJobs(), equal_to([]))
