"""ReadJobEvents and WriteJobStatus: the ends of a pipeline of somebody's own."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline
from apache_beam.testing.test_stream import TestStream as Stream
from apache_beam.testing.util import assert_that, equal_to

from schemas.errors import InputError, OutputError
from schemas.mapping import load_mapping
from tests.conftest import ReadRecords
from tests.pipeline.command import job_status
from tests.transforms.normalize.cases import TEXT
from transforms import NormalizeJobStatus, ReadJobEvents, WriteJobStatus
from transforms.normalize.elements import ElementBatch
from transforms.normalize.normalize_job_status import Normalizer
from transforms.normalize.write_job_status import encoded

pytestmark = pytest.mark.usefixtures("no_sync")


def test_the_events_of_a_file_have_their_place_in_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f"{TEXT}\n{TEXT}\n")
    with Pipeline() as pipeline:
        events = (pipeline | ReadJobEvents(str(path)) | NormalizeJobStatus()).events
        places = events | beam.Map(lambda event: (event.source, event.source_offset))
        assert_that(places, equal_to([(str(path), 0), (str(path), len(TEXT) + 1)]))


def test_a_pattern_without_a_file_is_refused_when_the_pipeline_is_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file matches"):
        ReadJobEvents(str(tmp_path / "*.jsonl"))


def test_a_damaged_file_fails_the_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(f"{TEXT}\n".encode())[:-4])
    with pytest.raises(Exception, match="is damaged"), Pipeline() as pipeline:
        pipeline | ReadJobEvents(str(path)) | NormalizeJobStatus()


def test_the_output_is_one_of_the_command(tmp_path: Path, read_records: ReadRecords) -> None:
    for _ in range(2):
        with Pipeline() as pipeline:
            result = pipeline | beam.Create([TEXT, "no json"]) | NormalizeJobStatus()
            result | WriteJobStatus(str(tmp_path / "out"))
    said = job_status("inspect", tmp_path / "out")
    assert said.code == 0, said.err
    assert said.out.count("read 2, written 1, dead-lettered 1, ignored 0") == 2
    assert [each["job_id"] for each in read_records(tmp_path / "out")] == ["7", "7"]
    (letter, _) = read_records(tmp_path / "out", "dead_letter")
    assert letter["payload"] == b"no json"


def test_rows_with_the_same_fields_can_be_written(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    def as_row(event: Any) -> beam.Row:
        return beam.Row(**{**event._asdict(), "provider": "mine"})

    with Pipeline() as pipeline:
        events, errors = pipeline | beam.Create([TEXT]) | NormalizeJobStatus()
        (events | beam.Map(as_row), errors) | WriteJobStatus(str(tmp_path / "out"))
    assert [each["provider"] for each in read_records(tmp_path / "out")] == ["mine"]


@pytest.mark.parametrize("change", [{"job_id": 7}, {"mapping_fingerprint": None}], ids=str)
def test_an_event_with_a_wrong_field_commits_nothing(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="does not fit the schema"), Pipeline() as pipeline:
        events, errors = pipeline | beam.Create([TEXT]) | NormalizeJobStatus()
        changed = events | beam.Map(lambda event: event._replace(**change))
        (changed, errors) | WriteJobStatus(str(tmp_path / "out"))
    assert not list(tmp_path.rglob("job_status*.avro"))


def test_a_status_that_the_schema_does_not_list_is_refused_without_its_text() -> None:
    normalizer = Normalizer(load_mapping(), ("*",), None)
    batch = ElementBatch(1_000)
    batch.add(TEXT, (0, ()))
    ((_, event),) = normalizer.outcomes_of(batch)
    status = event.job_status._replace(value="secret")  # type: ignore[union-attr]
    with pytest.raises(OutputError, match=r"job_status\.value is not one of") as raised:
        encoded("job_status_event", [event._replace(job_status=status)])  # type: ignore[call-arg]
    assert "secret" not in str(raised.value)


def test_a_stream_is_committed(tmp_path: Path, read_records: ReadRecords) -> None:
    stream = Stream().add_elements([TEXT.encode()]).advance_processing_time(5)
    stream = stream.add_elements([b"no json"]).advance_processing_time(5)
    stream = stream.advance_watermark_to_infinity()
    with Pipeline(options=PipelineOptions(["--streaming"])) as pipeline:
        elements = pipeline | stream | beam.Map(bytes).with_output_types(bytes)
        elements | NormalizeJobStatus() | WriteJobStatus(str(tmp_path / "out"), window_seconds=1)
    assert [each["job_id"] for each in read_records(tmp_path / "out")] == ["7"]
    (letter,) = read_records(tmp_path / "out", "dead_letter")
    assert letter["payload"] == b"no json"
