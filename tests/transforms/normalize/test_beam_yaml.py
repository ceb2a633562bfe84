"""NormalizeJobStatus in Beam YAML: rows in, events and errors out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.yaml.yaml_transform import YamlTransform

from schemas.errors import UsageError
from tests.transforms.normalize.cases import OUTCOME, TEXT, error_of, outcome_of
from transforms.normalize.beam_yaml import NormalizeRows

PROVIDERS = Path(__file__).resolve().parents[3] / "examples" / "yaml" / "providers.yaml"

SPEC = """
type: NormalizeJobStatus
config:
  field: payload
  provider: greenhouse
  event_types: ["ats_jobs.*"]
  error_handling:
    output: errors
"""


def row(payload: Any) -> beam.Row:
    return beam.Row(number=1, payload=payload)


@pytest.mark.parametrize("payload", [TEXT, TEXT.encode()], ids=["str", "bytes"])
def test_the_events_of_a_field_of_the_rows_are_normalized(payload: Any) -> None:
    with Pipeline() as pipeline:
        events = pipeline | beam.Create([row(payload)]) | NormalizeRows(field="payload")
        assert_that(events["good"] | beam.Map(outcome_of), equal_to([OUTCOME]))


def test_rows_of_one_field_need_no_name() -> None:
    with Pipeline() as pipeline:
        events = pipeline | beam.Create([beam.Row(line=TEXT)]) | NormalizeRows()
        assert_that(events["good"] | beam.Map(outcome_of), equal_to([OUTCOME]))


@pytest.mark.parametrize("field", [None, "line"])
def test_rows_of_several_fields_need_the_name_of_one(field: str | None) -> None:
    pipeline = Pipeline()
    with pytest.raises(UsageError, match="the rows have the fields number, payload"):
        pipeline | beam.Create([row(TEXT)]) | NormalizeRows(field=field)


def test_a_field_that_is_no_text_is_refused() -> None:
    pipeline = Pipeline()
    with pytest.raises(UsageError, match=r"accepts bytes, str or dict, not .*int"):
        pipeline | beam.Create([row(TEXT)]) | NormalizeRows(field="number")


def test_an_error_without_error_handling_fails_the_pipeline() -> None:
    with pytest.raises(Exception, match="INVALID_JSON: JSON is malformed"), Pipeline() as pipeline:
        pipeline | beam.Create([beam.Row(line="no json")]) | NormalizeRows()


@pytest.mark.parametrize("error_handling", [{}, {"output": "errors", "threshold": "0.1"}], ids=str)
def test_error_handling_has_only_the_name_of_an_output(error_handling: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="error_handling needs the name of an output"):
        NormalizeRows(error_handling=error_handling)


def test_the_provider_file_gives_beam_yaml_both_outputs() -> None:
    from apache_beam.yaml.yaml_provider import load_providers

    with Pipeline() as pipeline:
        rows = pipeline | beam.Create([row(TEXT), row("no json")])
        providers = load_providers(str(PROVIDERS))
        outputs = rows | YamlTransform(SPEC, providers)
        assert_that(outputs["good"] | beam.Map(outcome_of), equal_to([OUTCOME]), label="events")
        codes = outputs["errors"] | beam.Map(lambda error: error_of(error)[0])
        assert_that(codes, equal_to(["INVALID_JSON"]), label="errors")
