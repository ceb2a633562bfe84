"""NormalizeJobStatus in pipelines: types, sources, sinks, windows and timestamps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.test_stream import TestStream as Stream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, SlidingWindows, TimestampedValue

from schemas.errors import UsageError
from tests.transforms.normalize.cases import (
    ELEMENTS,
    OUTCOME,
    TEXT,
    check,
    check_result,
    outcome_of,
)
from transforms import NormalizeJobStatus
from transforms.blocks import BLOCK_ROWS
from transforms.normalize.normalize_job_status import check_type

RUNNERS: dict[str, Any] = {
    "FnApiRunner": lambda: "FnApiRunner",
    "BundleBasedDirectRunner": BundleBasedDirectRunner,
}


@pytest.mark.parametrize("form", ELEMENTS)
@pytest.mark.parametrize("runner", RUNNERS)
def test_an_element_of_each_type_has_its_outcome(runner: str, form: str) -> None:
    with Pipeline(runner=RUNNERS[runner]()) as pipeline:
        check(pipeline, form)


@pytest.mark.parametrize("form", ["bytes", "str", "dict"])
def test_elements_of_a_known_type_are_accepted(form: str) -> None:
    with Pipeline() as pipeline:
        check_result(pipeline | beam.Create([ELEMENTS[form]]) | NormalizeJobStatus())


@pytest.mark.parametrize(
    ("elements", "name"), [([7], "int"), ([None, b""], "NoneType"), ([["{}"]], r"List\[")]
)
def test_another_type_is_refused_when_the_pipeline_is_built(elements: Any, name: str) -> None:
    pipeline = Pipeline()
    with pytest.raises(UsageError, match=f"accepts bytes, str or dict, not .*{name}") as raised:
        pipeline | beam.Create(elements) | NormalizeJobStatus()
    assert "beam.Map(" in str(raised.value.hint)


def test_rows_are_refused_when_the_pipeline_is_built() -> None:
    pipeline = Pipeline()
    with pytest.raises(UsageError, match="accepts bytes, str or dict"):
        pipeline | beam.Create([beam.Row(line=TEXT)]) | NormalizeJobStatus()


@pytest.mark.parametrize("known", [Any, bytes | str, dict[str, int | None]])
def test_a_type_that_may_be_accepted_is_not_refused(known: Any) -> None:
    from apache_beam.typehints.native_type_compatibility import convert_to_beam_type

    check_type(convert_to_beam_type(known))


@pytest.mark.parametrize("check", ["runtime_type_check", "performance_runtime_type_check"])
def test_the_outputs_pass_the_type_checks_of_beam(check: str) -> None:
    with Pipeline(options=PipelineOptions([f"--{check}"])) as pipeline:
        result = pipeline | beam.Create([TEXT, "no json"]) | NormalizeJobStatus()
        assert_that(result.events | beam.Map(outcome_of), equal_to([OUTCOME]), label="events")
        codes = result.errors | beam.Map(lambda error: error.error_code)
        assert_that(codes, equal_to(["INVALID_JSON"]), label="errors")


def test_the_lines_of_read_from_text_are_events(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(f"{TEXT}\n\n")
    with Pipeline() as pipeline:
        lines = pipeline | beam.io.ReadFromText(str(tmp_path / "events.jsonl"))
        check_result(lines | NormalizeJobStatus())


def test_each_event_of_a_page_has_its_offset_in_the_element() -> None:
    page = b'{"data":[{"id":"1"},{"id":"2"}]}'
    with Pipeline() as pipeline:
        events = (pipeline | beam.Create([TEXT.encode(), page]) | NormalizeJobStatus()).events
        found = events | beam.Map(lambda event: (event.job_id, event.source_offset))
        assert_that(found, equal_to([("7", 0), ("1", 9), ("2", 20)]))


def test_events_of_other_types_are_dropped_and_counted() -> None:
    pipeline = Pipeline()
    result = pipeline | beam.Create([b'{"event":"candidates.created"}']) | NormalizeJobStatus()
    assert_that(result.events, equal_to([]), label="events")
    assert_that(result.errors, equal_to([]), label="errors")
    done = pipeline.run()
    done.wait_until_finish()
    (counter,) = done.metrics().query(beam.metrics.MetricsFilter().with_name("events_ignored"))[
        "counters"
    ]
    assert counter.result == 1


def test_the_options_mean_what_those_of_the_command_mean(tmp_path: Path) -> None:
    mapping = tmp_path / "mine.yaml"
    mapping.write_text("providers:\n  mine:\n    labels:\n      open: [Hot]\n")
    element = {"event": "jobs", "event_data": {"id": "7", "job_status": {"source_value": "hot"}}}
    with Pipeline() as pipeline:
        normalize = NormalizeJobStatus(mapping=mapping, provider="mine", event_types=["job*"])
        events = (pipeline | beam.Create([element]) | normalize).events
        assert_that(events | beam.Map(outcome_of), equal_to([("7", "mine", "open", None)]))


def test_a_mapping_file_that_is_missing_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        NormalizeJobStatus(mapping=str(tmp_path / "mine.yaml"))


def test_parquet_files_have_the_fields_of_the_events(tmp_path: Path) -> None:
    with Pipeline() as pipeline:
        events = (pipeline | beam.Create([TEXT]) | NormalizeJobStatus()).events
        events | beam.io.WriteToParquet(str(tmp_path / "events"))
    (path,) = tmp_path.iterdir()
    (row,) = pq.read_table(path).to_pylist()
    assert (row["job_id"], row["provider"], row["job_status"]["value"]) == OUTCOME[:3]
    assert row["event_time"] == OUTCOME[3]


def test_parquet_files_have_the_fields_of_the_errors(tmp_path: Path) -> None:
    with Pipeline() as pipeline:
        errors = (pipeline | beam.Create([b"no json"]) | NormalizeJobStatus()).errors
        errors | beam.io.WriteToParquet(str(tmp_path / "errors"))
    (path,) = tmp_path.iterdir()
    (row,) = pq.read_table(path).to_pylist()
    assert (row["error_code"], row["payload"]) == ("INVALID_JSON", b"no json")


def test_the_events_are_rows_of_a_data_frame() -> None:
    from apache_beam.dataframe.convert import to_dataframe, to_pcollection

    with Pipeline() as pipeline:
        events = (pipeline | beam.Create([TEXT, TEXT]) | NormalizeJobStatus()).events
        frame: Any = to_dataframe(events)
        jobs = frame.groupby("provider").job_id.count()
        assert_that(to_pcollection(jobs), equal_to([2]))


def test_fields_of_the_events_can_be_selected() -> None:
    with Pipeline() as pipeline:
        events = (pipeline | beam.Create([TEXT]) | NormalizeJobStatus()).events
        rows = events | beam.Select("job_id", value=lambda event: event.job_status.value)
        assert_that(rows, equal_to([beam.Row(job_id="7", value="published")]))


class _Placed(beam.DoFn):
    """Yields the job id, the timestamp and the window of an event."""

    def process(
        self,
        event: Any,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Any:
        yield event.job_id, float(timestamp), float(window.start), float(window.end)


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_event_keeps_its_timestamp_and_each_of_its_windows(runner: str) -> None:
    with Pipeline(runner=RUNNERS[runner]()) as pipeline:
        events = (
            pipeline
            | beam.Create([5, 15])
            | beam.Map(lambda at: TimestampedValue(json.dumps({"id": str(at)}), at))
            | beam.WindowInto(SlidingWindows(20, 10))
            | beam.Map(str).with_output_types(str)
            | NormalizeJobStatus()
        ).events
        found = events | beam.ParDo(_Placed())
        expected = [
            *(("5", 5.0, -10.0, 10.0), ("5", 5.0, 0.0, 20.0)),
            *(("15", 15.0, 0.0, 20.0), ("15", 15.0, 10.0, 30.0)),
        ]
        assert_that(found, equal_to(expected))


def test_each_event_of_several_batches_has_the_timestamp_of_its_element() -> None:
    count = 2 * BLOCK_ROWS + 1
    with Pipeline() as pipeline:
        events = (
            pipeline
            | beam.Create([count])
            | beam.FlatMap(lambda last: list(range(last)))
            | beam.Map(lambda at: TimestampedValue(b'[{"id":"%d"},{"id":"%d"}]' % (at, at), at))
            | beam.Map(bytes).with_output_types(bytes)
            | NormalizeJobStatus()
        ).events
        placed = events | beam.ParDo(_Placed())
        matches = placed | beam.Map(lambda found: int(found[0]) == found[1])
        counts = matches | beam.combiners.Count.PerElement()
        assert_that(counts, equal_to([(True, 2 * count)]))


def test_an_error_keeps_the_timestamp_and_the_window_of_its_element() -> None:
    with Pipeline() as pipeline:
        errors = (
            pipeline
            | beam.Create([5])
            | beam.Map(lambda at: TimestampedValue(b"no json", at))
            | beam.WindowInto(FixedWindows(10))
            | beam.Map(bytes).with_output_types(bytes)
            | NormalizeJobStatus()
        ).errors
        named = errors | beam.Map(lambda error: beam.Row(job_id=error.error_code))
        found = named | beam.ParDo(_Placed())
        assert_that(found, equal_to([("INVALID_JSON", 5.0, 0.0, 10.0)]))


def test_a_stream_of_bytes_as_from_pubsub_is_normalized_window_by_window() -> None:
    def payload(number: int, at: int) -> TimestampedValue:
        return TimestampedValue(b'{"id":"%d"}' % number, at)

    stream = (
        Stream()
        .add_elements([payload(1, 1), payload(2, 2)])
        .advance_watermark_to(10)
        .add_elements([payload(3, 11), TimestampedValue(b"no json", 12)])
        .advance_watermark_to_infinity()
    )
    with Pipeline(options=PipelineOptions(["--streaming"])) as pipeline:
        elements = pipeline | stream | beam.Map(bytes).with_output_types(bytes)
        result = elements | beam.WindowInto(FixedWindows(10)) | NormalizeJobStatus()
        counts = (
            result.events
            | beam.Map(lambda event: ("jobs", event.job_id))
            | beam.GroupByKey()
            | beam.MapTuple(lambda _, ids: sorted(ids))
        )
        assert_that(counts, equal_to([["1", "2"], ["3"]]))
        codes = result.errors | beam.Map(lambda error: error.error_code)
        assert_that(codes, equal_to(["INVALID_JSON"]), label="errors")
