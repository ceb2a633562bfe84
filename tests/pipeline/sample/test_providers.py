"""The statuses of providers have shares that add up, and valid JSON in each form."""

from __future__ import annotations

import json

import pytest

from pipeline.sample.providers import sample_data, status_rows


def test_unmapped_statuses_have_one_percent_of_all_events() -> None:
    data, rows = sample_data(), status_rows()

    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.share for row in rows[-len(data.unmapped) :]) == pytest.approx(0.01)
    assert all(len(row.forms) == len(data.forms) for row in rows)


def test_each_form_of_each_status_is_valid_in_a_job() -> None:
    for row in status_rows():
        for text in row.forms:
            job = json.loads(f'{{"id":"1"{text}}}')
            assert job["id"] == "1"
            assert isinstance(job.get("status"), (str, type(None)))
            status = job.get("job_status")
            if isinstance(status, dict):
                assert isinstance(status.get("value"), (str, type(None)))


def test_statuses_keep_their_json_types() -> None:
    statuses = {p.names[0]: [raw for raw, _ in p.statuses] for p in sample_data().providers}

    assert {type(raw) for raws in statuses.values() for raw in raws} == {
        str, bool, int, float, dict, list,
    }  # fmt: skip
    assert statuses["peoplesoft"][:2] == ["010", 10]
    assert statuses["bullhorn"][:2] == [True, False]
