"""Blocks state their size to Beam. They are encoded only if a runner cannot avoid it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.pipeline.command import run, write_events
from tests.transforms.event_cases import events_of, parsed, raw_block
from tests.transforms.runs import encoded_block, status_deriver
from transforms.blocks.coder import BlockCoder
from transforms.blocks.context import NO_CONTEXT
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser

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
    assert coder.estimate_size(events) == len(_LINES[0]) + len(_LINES[1])
    assert coder.estimate_size(encoded) == len(encoded.records.data) + len(
        encoded.dead_letters.data
    )


def _again(block: Any) -> Any:
    return BlockCoder().decode(BlockCoder().encode(block))


def test_a_pickled_block_has_the_same_content() -> None:
    raw, events, encoded = _blocks()
    again = _again(raw)
    assert list(again.payloads) == list(_LINES)
    assert again.offsets.tolist() == raw.offsets.tolist()
    again = _again(events)
    assert events_of(again) == events_of(events)
    assert again.rejections == events.rejections
    again = _again(encoded)
    assert (again.records, again.dead_letters) == (encoded.records, encoded.dead_letters)
    assert again.ledger.to_bytes() == encoded.ledger.to_bytes()


def test_a_pickled_block_has_only_the_combinations_of_its_events() -> None:
    statuses = [f"status {number}" for number in range(1000)]
    lines = [f'{{"id":"1","job_status":"{status}"}}'.encode() for status in statuses]
    parser = EventParser(EventTypes(), 10_000_000, NO_CONTEXT)
    list(parser.parse(raw_block(*lines)))
    (block,) = parser.parse(raw_block(*lines[500:502]))
    derived = status_deriver().derive(block)
    again = _again(derived)
    assert (len(block.combinations), len(again.combinations), len(again.statuses)) == (1000, 2, 2)
    assert [each["job_status"]["source_value"] for each in events_of(again)] == statuses[500:502]
