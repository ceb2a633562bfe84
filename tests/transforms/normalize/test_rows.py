"""The events of NormalizeJobStatus are those that the command writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that

from schemas.avro import RecordName, record_schema
from schemas.mapping import load_mapping
from tests.conftest import ReadRecords
from tests.pipeline.command import run
from transforms import NormalizeJobStatus, ReadJobEvents
from transforms.blocks import Context, JobStatus, MessageInfo, RawBlock
from transforms.kernel import Payloads
from transforms.normalize.normalize_job_status import Normalizer
from transforms.normalize.records import DeadLetter, JobStatusEvent

SAMPLES = str(Path(__file__).resolve().parents[3] / "samples" / "*")


@pytest.mark.parametrize(
    ("name", "kind"), [("job_status_event", JobStatusEvent), ("dead_letter", DeadLetter)]
)
def test_the_fields_are_those_of_the_avro_schema(name: RecordName, kind: Any) -> None:
    fields = record_schema(name).parsed["fields"]
    assert list(kind._fields) == [field["name"] for field in fields]


def plain(value: Any) -> Any:
    """Returns a row or a record of the output with plain values."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1_000_000)
    return value


@pytest.mark.usefixtures("no_sync")
def test_the_files_give_the_records_of_the_command(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    assert run("--input", SAMPLES, "--output", tmp_path / "out", "--provider", "lever").code == 0
    expected = {
        name: [plain(record) for record in read_records(tmp_path / "out", name)]
        for name in ("job_status", "dead_letter")
    }

    def check(found: list[Any], name: str) -> None:
        rows = sorted(map(repr, map(plain, found)))
        assert rows == sorted(map(repr, expected[name]))

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        result = pipeline | ReadJobEvents(SAMPLES) | NormalizeJobStatus(provider="lever")
        assert_that(result.events, lambda found: check(found, "job_status"), label="events")
        assert_that(result.errors, lambda found: check(found, "dead_letter"), label="errors")


def test_an_event_of_a_message_has_the_fields_of_the_message() -> None:
    block = RawBlock(
        "projects/p/subscriptions/s",
        Payloads.of([b'{"id":"1"}', b'{"id":"2","account_id":"own"}']),
        np.zeros(2, np.int64),
        contexts=[
            Context(account_id="45", message=MessageInfo("m1", 1_700_000_000_000_000, {})),
            Context(account_id="45"),
        ],
    )
    first, second = Normalizer(load_mapping(), ("*",), None).outcomes_of_block(block)
    assert isinstance(first, JobStatusEvent) and isinstance(second, JobStatusEvent)
    assert (first.message_id, first.publish_time) == ("m1", 1_700_000_000_000_000)
    assert (first.account_id, first.source) == ("45", block.source)
    assert (second.message_id, second.publish_time) == (None, None)
    assert second.account_id == "own"
    assert isinstance(first.job_status, JobStatus)
