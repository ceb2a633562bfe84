"""Every bundle stages its own files, and the run is committed even without events."""

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
from transforms.write.stager import Stager
from transforms.write.write_avro import WriteAvro

PAYLOADS = tuple(lines(0, 6, bad=2))
BYTES = sum(len(payload) + 1 for payload in PAYLOADS)


@pytest.fixture
def run(tmp_path: Path) -> CommitSettings:
    """Settings of a run into an empty output."""
    return settings(str(tmp_path), "run")


def test_a_bundle_appends_its_blocks_to_one_file_of_each_kind(run: CommitSettings) -> None:
    stager = Stager(run)
    for block in encoded(PAYLOADS):
        stager.add(block)
    ledger = stager.finish()
    assert [(file.output, file.records) for file in ledger.files] == [
        ("job_status_event", 6),
        ("dead_letter", 2),
    ]
    assert (ledger.read, ledger.written, ledger.dead_lettered) == (8, 6, 2)
    assert ledger.inputs == {SOURCE: InputLedger(spans=[(0, BYTES)])}


def test_an_empty_bundle_has_an_empty_ledger_and_no_file(
    run: CommitSettings, tmp_path: Path
) -> None:
    assert Stager(run).finish().to_bytes() == Ledger().to_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_block_without_records_still_accounts_for_its_bytes(run: CommitSettings) -> None:
    block = EncodedBlock(None, None, Ledger(inputs={"a": InputLedger(spans=[(0, 3)])}))
    stager = Stager(run)
    stager.add(block)
    ledger = stager.finish()
    assert ledger.inputs == {"a": InputLedger(spans=[(0, 3)])}
    assert ledger.files == []


def test_bundles_never_write_the_same_file(run: CommitSettings) -> None:
    paths = []
    for _ in range(3):
        stager = Stager(run)
        stager.add(encoded(PAYLOADS)[0])
        paths += [file.path for file in stager.finish().files]
    assert len(set(paths)) == 3
    assert all(Path(path).parent == Path(run.output) / "_staging" / "run" for path in paths)


@pytest.mark.parametrize("target", [1, 4_000, 8_000])
def test_a_file_that_reaches_the_target_size_is_followed_by_another(
    tmp_path: Path, target: int
) -> None:
    run = settings(str(tmp_path), "run", target_file_bytes=target, codec="null")
    stager = Stager(run)
    blocks = encoded(tuple(lines(0, 60, bad=0)), "null")
    largest = max(len(block.records.data) for block in blocks if block.records)
    for block in blocks:
        stager.add(block)
    files = stager.finish().files
    assert len(files) > 1
    assert sum(file.records for file in files) == 60
    for file in files[:-1]:
        # A file has a header and at least one block, so it may be larger than a tiny target.
        assert target <= file.bytes < max(target, 5_000) + largest + 100


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
