"""A run is committed once, even without events; messages are acknowledged after the commit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from schemas.manifest import Manifest
from tests.conftest import ReadRecords
from tests.transforms.runs import SOURCE, encoded, lines, message_block, settings
from transforms.blocks.block import EncodedBlock
from transforms.blocks.ledger import InputLedger, Ledger
from transforms.blocks.origin import PendingAcks
from transforms.storage.manifests import manifest_path
from transforms.write.settings import CommitSettings
from transforms.write.write_avro import WriteAvro

PAYLOADS = tuple(lines(0, 6, bad=2))


@pytest.fixture
def run(tmp_path: Path) -> CommitSettings:
    """Settings of a run into an empty output."""
    return settings(str(tmp_path), "run")


def _run(run: CommitSettings, payloads: tuple[bytes, ...]) -> list[str]:
    """Runs the sink in a pipeline; returns the elements of `manifest`."""
    paths: list[str] = []
    size = sum(len(payload) + 1 for payload in payloads)
    inputs = Ledger(inputs={SOURCE: InputLedger(size, size)} if payloads else {})
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline:
        blocks = (
            pipeline
            | "Numbers" >> beam.Create(range(len(encoded(payloads))))
            | "Blocks" >> beam.Map(lambda number: encoded(payloads)[number])
        )
        ledger = pipeline | "Inputs" >> beam.Create([inputs.to_bytes()])
        written = blocks | WriteAvro(run, ledger)
        written.manifest | beam.Map(lambda path: _note(run, path))
    note = Path(run.output, "path.txt")
    paths = note.read_text().splitlines() if note.exists() else []
    return paths


def _note(run: CommitSettings, path: str) -> None:
    with open(f"{run.output}/path.txt", "a") as file:
        file.write(path + "\n")


def test_the_sink_outputs_the_path_of_the_manifest_once(
    run: CommitSettings, read_records: ReadRecords
) -> None:
    assert _run(run, PAYLOADS) == [manifest_path(run.output, "run")]
    assert len(read_records(run.output, "job_status")) == 6
    assert len(read_records(run.output, "dead_letter")) == 2
    names = [path.name for path in Path(run.output, "job_status").iterdir()]
    assert all(re.fullmatch(r"job_status-run-\d{5}-of-\d{5}\.avro", name) for name in names)


def test_an_empty_input_is_committed_too(run: CommitSettings, read_records: ReadRecords) -> None:
    assert _run(run, ()) == [manifest_path(run.output, "run")]
    assert read_records(run.output, "job_status") == []
    assert Manifest.from_json(Path(manifest_path(run.output, "run")).read_bytes()).read == 0


def _messages(run: CommitSettings, blocks: list[EncodedBlock]) -> list[str]:
    """Runs the sink on messages; returns the ids to acknowledge after the commit."""
    note = Path(run.output, "acknowledged.txt")
    with beam.Pipeline("FnApiRunner") as pipeline:
        created = pipeline | beam.Create(range(len(blocks))) | beam.Map(lambda i: blocks[i])
        written = created | WriteAvro(replace(run, from_messages=True), None)
        written.pending_acks | beam.Map(
            lambda pending_acks: _note_receipt(run, str(note), pending_acks)
        )
    return note.read_text().split() if note.exists() else []


def _note_receipt(run: CommitSettings, note: str, pending_acks: PendingAcks) -> None:
    assert Path(manifest_path(run.output, run.run_id)).exists(), "acknowledged before the commit"
    with open(note, "a") as file:
        file.write(" ".join([*pending_acks.ack_ids, ""]))


def test_messages_are_acknowledged_after_the_commit(
    run: CommitSettings, read_records: ReadRecords
) -> None:
    blocks = [message_block(number, events=3, bad=1) for number in range(3)]
    assert len(_messages(run, blocks)) == 12
    assert len(read_records(run.output, "job_status")) == 9


def test_without_a_message_nothing_is_committed(run: CommitSettings) -> None:
    assert _messages(run, []) == []
    assert not Path(run.output, "_manifest").exists()


def test_messages_without_an_event_are_acknowledged_and_leave_no_file(run: CommitSettings) -> None:
    assert _messages(run, [message_block(1, events=0)]) == ["1-empty"]
    manifest = Manifest.from_json(Path(manifest_path(run.output, "run")).read_bytes())
    assert (manifest.read, manifest.files) == (0, [])


def test_nothing_is_acknowledged_if_the_commit_fails(run: CommitSettings) -> None:
    Path(run.output, "_manifest").write_text("no directory")
    with pytest.raises(Exception, match="_manifest"):
        _messages(run, [message_block(1)])
    assert not Path(run.output, "acknowledged.txt").exists()
