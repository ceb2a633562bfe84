"""Blocks state their size to Beam. They are encoded only if a runner cannot avoid it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.pipeline.command import run, write_events
from tests.transforms.event_cases import parsed, raw_block
from tests.transforms.runs import encoded_block
from transforms.blocks.block import EncodedBlock
from transforms.blocks.coder import BlockCoder

_LINES = b'{"id":"1","job_status":"open"}', b'{"id":"2"}', b"no event"


def _blocks() -> list[Any]:
    raw = raw_block(*_LINES)
    return [raw, parsed(*_LINES), *encoded_block(raw)]


def test_a_local_run_encodes_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(_: BlockCoder, value: Any) -> NoReturn:
        raise AssertionError(f"a {type(value).__name__} was encoded")

    monkeypatch.setattr(BlockCoder, "encode", encode)
    events = write_events(tmp_path / "events.jsonl", 1, 10, bad=1)
    done = run("--input", events, "--output", tmp_path / "out", "--direct_num_workers", "1")
    assert done.code == 0, done.err


def test_the_size_of_a_block_is_the_size_of_its_content() -> None:
    raw, events, encoded = _blocks()
    coder = BlockCoder()
    assert coder.estimate_size(raw) == sum(map(len, _LINES))
    assert coder.estimate_size(events) > len(_LINES[0]) + len(_LINES[1])
    assert coder.estimate_size(encoded) == len(encoded.records.data) + len(
        encoded.dead_letters.data
    )


def test_an_encoded_block_decodes_to_an_equal_block() -> None:
    *blocks, encoded = _blocks()
    for block in blocks:
        assert BlockCoder().decode(BlockCoder().encode(block)) == block
    again = BlockCoder().decode(BlockCoder().encode(encoded))
    assert isinstance(again, EncodedBlock)
    assert (again.records, again.dead_letters) == (encoded.records, encoded.dead_letters)
    assert again.ledger.to_bytes() == encoded.ledger.to_bytes()
