"""Every bundle stages its blocks in files of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transforms.runs import SOURCE, encoded, lines, settings
from transforms.blocks.block import EncodedBlock
from transforms.blocks.ledger import InputLedger, Ledger
from transforms.write.settings import CommitSettings
from transforms.write.stager import Stager

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
