"""Every contender of the comparison writes the same records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import ROOT
from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.content import ORIGIN, content_of, records_of
from benchmarks.measure import measure
from pipeline.sample.write import write_samples
from schemas.avro import record_schema

EVENTS = 600

EXACT = [each for each in CONTENDERS if each.is_exact]
# DuckDB's Avro writer (1.5.5) loses the first records at some sizes: 6 of these 600, if the path of
# the input has 58 to 61 characters.
COMPLETE = [each for each in CONTENDERS if not each.is_exact and each.letter != "g"]

# Special lines: numbers as ids, a time with an offset, JSON text that `json` does not keep, a time
# that cannot be parsed, and a job without job_status.
_SPECIAL = (
    '{"event":"ats_jobs.updated","event_date":"2025-05-01T10:00:00+02:00","account_id":7,'
    '"provider":"zohorecruit","record_id":6404,"event_data":{"id":null,"remote_id":12,'
    '"job_status":{"value":null,"source_value":{"label": "On\\u002dHold", "n": 1.50}},'
    '"created_at":"yesterday"}}\n'
    '{"event":"ats_jobs.deleted","event_date":null,"provider":"lever","record_id":"1",'
    '"event_data":{"id":"1","remote_id":"2","updated_at":"2025-05-01T09:59:41.5Z"}}\n'
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("events")
    write_samples(str(directory), events=EVENTS - 2, seed=3, bad_fraction=0, shapes="lines")
    path = directory / "events.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(_SPECIAL)
    return path


@pytest.fixture(scope="module")
def outputs(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directories = {}
    for contender in CONTENDERS:
        directory = tmp_path_factory.mktemp(contender.letter)
        measure(contender.command(str(source), str(directory)), ROOT)
        directories[contender.letter] = directory / contender.results
    return directories


def _records(directory: Path) -> list[dict[str, Any]]:
    return list(records_of(each for each in directory.iterdir() if each.is_file()))


@pytest.mark.parametrize("contender", EXACT, ids=lambda contender: contender.letter)
def test_every_contender_writes_the_same_records_with_the_same_codec(
    contender: Contender, outputs: dict[str, Path]
) -> None:
    reference = content_of(outputs["d"])
    content = content_of(outputs[contender.letter])
    assert content.records == EVENTS
    assert content.codecs == {"deflate"}
    assert content.digest == reference.digest


@pytest.mark.parametrize("contender", COMPLETE, ids=lambda contender: contender.letter)
def test_an_inexact_contender_changes_only_some_fields(
    contender: Contender, outputs: dict[str, Path]
) -> None:
    ours, theirs = content_of(outputs["d"]), content_of(outputs[contender.letter])
    assert theirs.records == EVENTS
    assert theirs.coarse_digest == ours.coarse_digest
    assert theirs.digest != ours.digest


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.letter)
def test_every_contender_writes_every_field_of_the_schema(
    contender: Contender, outputs: dict[str, Path]
) -> None:
    fields = {field["name"] for field in record_schema("job_status_event").parsed["fields"]}
    records = _records(outputs[contender.letter])
    assert all(set(record) == fields for record in records)
    # Records with nulls only would be equal as well.
    assert {name for record in records for name in record if record[name] is not None} >= fields - {
        *ORIGIN,
        *("posting_id", "remote_posting_id", "message_id", "publish_time"),
    }


@pytest.mark.parametrize("letter", ["b", "c"])
def test_the_plain_loops_write_the_same_source_and_offset(
    letter: str, outputs: dict[str, Path]
) -> None:
    def places(directory: Path) -> set[tuple[str, int]]:
        return {(record["source"], record["source_offset"]) for record in _records(directory)}

    assert places(outputs[letter]) == places(outputs["d"])
