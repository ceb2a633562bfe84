"""An event in each form that NormalizeJobStatus accepts, and a pipeline that checks one."""

from __future__ import annotations

import json
from typing import Any

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from transforms import NormalizedJobStatus, NormalizeJobStatus

EVENT = {
    "event": "ats_jobs.updated",
    "provider": "lever",
    "event_date": "2025-05-01T10:00:00Z",
    "event_data": {"id": "7", "job_status": {"source_value": "Published"}},
}

TEXT = json.dumps(EVENT)

ELEMENTS: dict[str, Any] = {"bytes": TEXT.encode(), "str": TEXT, "dict": EVENT, "wrong type": 7}

OUTCOME = ("7", "lever", "published", 1_746_093_600_000_000)

ERROR = ("WRONG_TYPE", "expected bytes, str or dict, found int")


def outcome_of(event: Any) -> tuple[Any, ...]:
    """Returns some fields of an event."""
    return event.job_id, event.provider, event.job_status.value, event.event_time


def error_of(letter: Any) -> tuple[str, str]:
    """Returns some fields of an error."""
    return letter.error_code, letter.error_message


def check(pipeline: beam.Pipeline, form: str) -> None:
    """Adds to a pipeline the event in a form, of an unknown type, and asserts its outcome."""
    element = ELEMENTS[form]
    elements = pipeline | beam.Create([0]) | beam.Map(lambda _: element).with_output_types(Any)
    check_result(elements | NormalizeJobStatus(), is_event=form != "wrong type")


def check_result(result: NormalizedJobStatus, *, is_event: bool = True) -> None:
    """Asserts that the result is the one event or the one error."""
    outcomes = result.events | "Outcomes" >> beam.Map(outcome_of)
    errors = result.errors | "Errors" >> beam.Map(error_of)
    assert_that(outcomes, equal_to([OUTCOME] if is_event else []), label="events")
    assert_that(errors, equal_to([] if is_event else [ERROR]), label="errors")
