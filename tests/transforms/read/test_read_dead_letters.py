"""Dead letters are read back: each payload once, with its origin and its context."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.transforms.event_cases import (
    PAYLOADS_WITH_LONE_SURROGATES,
    broken,
    events_of,
    payloads_of,
)
from tests.transforms.read.compressed import COMPRESS_OR_PLAIN
from tests.transforms.read.letters import as_attempt, letter_without_payload, write_letters
from transforms.blocks.block import EventBlock, RawBlock
from transforms.blocks.context import NO_CONTEXT, Context, MessageInfo
from transforms.blocks.ledger import Ledger
from transforms.blocks.rejection import Rejection
from transforms.encode.dead_letters import PayloadPolicy, dead_letters
from transforms.parse.event_types import EventTypes
from transforms.parse.parse_events import EventParser
from transforms.read.dead_letter_files import DeadLetterFile, Letter, letters_of
from transforms.read.limits import ReadLimits
from transforms.read.lines import blocks_of_lines
from transforms.read.ranges import split_file
from transforms.read.read_dead_letters import context_of_letter, read_dead_letters
from transforms.read.read_files import read_range

LIMITS = ReadLimits()


def _parsed(blocks: Iterator[RawBlock], limit: int, context: Context) -> list[EventBlock]:
    parser = EventParser(EventTypes(), limit, context)
    return [parsed for block in blocks for parsed in parser.parse(block)]


def _file_blocks(path: Path, limit: int) -> Iterator[RawBlock]:
    for file_range in split_file(str(path), path.stat().st_size, "auto"):
        yield from read_range(file_range, ReadLimits(limit))


def _letters(
    blocks: list[EventBlock], limit: int = 10_000_000, policy: PayloadPolicy = "full"
) -> list[Letter]:
    return [
        letter
        for block in blocks
        for letter in dead_letters(block.source, block.rejections, policy, limit)
    ]


def _events(blocks: list[EventBlock]) -> Counter[Any]:
    """Counts events by identity and origin."""
    names = ("event_id", "source", "source_offset", "message_id", "publish_time")
    return Counter(tuple(row[name] for name in names) for row in events_of(*blocks))


def _read_count(blocks: list[EventBlock]) -> int:
    return sum(block.read for block in blocks)


def _first_run(
    path: Path, limit: int = 10_000_000, policy: PayloadPolicy = "full"
) -> tuple[list[EventBlock], DeadLetterFile]:
    """Returns the events of a run over a file, and the file of its dead letters."""
    blocks = _parsed(_file_blocks(path, limit), limit, NO_CONTEXT)
    return blocks, write_letters(path.with_suffix(".avro"), _letters(blocks, limit, policy))


def _replayed(file: DeadLetterFile, limit: int = 10_000_000) -> list[EventBlock]:
    return _parsed(read_dead_letters(file, ReadLimits(limit)), limit, NO_CONTEXT)


def _assert_ledger_balances(blocks: list[EventBlock], file: DeadLetterFile) -> None:
    ledger = Ledger()
    for block in blocks:
        ledger.account_for(block.input or block.source, block.span, block.note)
    assert list(ledger.inputs) == [file.path]
    assert ledger.inputs[file.path].discrepancy() is None
    assert ledger.inputs[file.path].end == file.records


# A replay and its run


_DEEP = {"(deep)": "[" * 196 + "]" * 196, "(deeper)": "[" * 199 + "]" * 199}


def _deep(payload: str) -> str:
    for name, text in _DEEP.items():
        payload = payload.replace(f'"{name}"', text)
    return payload


DEEP = payloads_of(st.sampled_from(["1", '"open"', '"(deep)"', '"(deeper)"'])).map(_deep)
LINES = st.lists(
    (PAYLOADS_WITH_LONE_SURROGATES | DEEP).map(str.encode) | broken(), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("letters")


@hypothesis_settings(max_examples=25)
@given(
    LINES,
    st.sampled_from([40, 90, 10_000_000]),
    st.sampled_from(list(COMPRESS_OR_PLAIN)),
    st.data(),
)
def test_a_run_and_its_replay_have_the_events_of_one_run_with_a_higher_limit(
    directory: Path, payloads: list[bytes], limit: int, suffix: str, data: st.DataObject
) -> None:
    path = Path(tempfile.mkdtemp(dir=directory)) / f"in.jsonl{suffix}"
    path.write_bytes(COMPRESS_OR_PLAIN[suffix](b"\n".join(payloads)))
    policies: list[PayloadPolicy] = ["full", "hash"]
    policy = data.draw(st.sampled_from(policies))
    before, file = _first_run(path, limit, policy)
    again = _replayed(file)
    whole = _parsed(_file_blocks(path, 10_000_000), 10_000_000, NO_CONTEXT)
    assert _events(before) + _events(again) == _events(whole)
    _assert_ledger_balances(again, file)
    kept = [letter["source_offset"] for letter in _letters(again)]
    assert Counter(kept) == Counter(letter["source_offset"] for letter in _letters(whole))
    assert {letter["attempt"] for letter in _letters(again)} <= {1}


@hypothesis_settings(max_examples=25)
@given(LINES)
def test_a_replay_without_any_correction_has_the_same_dead_letters_and_no_event(
    directory: Path, payloads: list[bytes]
) -> None:
    path = Path(tempfile.mkdtemp(dir=directory)) / "in.jsonl"
    path.write_bytes(b"\n".join(payloads))
    _, file = _first_run(path)
    again = _replayed(file)
    assert not _events(again)
    letters = sorted(_letters(again), key=lambda letter: letter["source_offset"])
    first = sorted(letters_of(file), key=lambda letter: letter["source_offset"])
    assert [as_attempt(0, letter) for letter in letters] == [as_attempt(0, each) for each in first]


def test_the_context_of_a_page_gives_its_jobs_the_same_identities(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    job = {"id": 7, "title": "x" * 100, "job_status": {"source_value": "open"}}
    page = {
        "event": "ats_jobs.updated",
        "event_date": "2025-05-01T10:00:00Z",
        "account_id": 5,
        "provider": "lever",
        "data": [job, {"id": 8}],
    }
    path.write_text(json.dumps(page, indent=1))
    flags = Context(provider="flag", project_id="p")

    def parse(limit: int) -> list[EventBlock]:
        return _parsed(_file_blocks(path, limit), limit, flags)

    file = write_letters(tmp_path / "letters.avro", _letters(parse(100)))
    assert sum(_events(parse(100)).values()) == 1
    assert _events(parse(100)) + _events(_replayed(file)) == _events(parse(1000))
    (row,) = events_of(*_replayed(file))
    assert (row["provider"], row["account_id"], row["project_id"]) == ("lever", "5", "p")


MESSAGE = MessageInfo("17", 1_746_093_600_123_456, {"provider": "lever", "é": ""})


def test_a_payload_keeps_the_message_of_the_first_run(tmp_path: Path) -> None:
    payload = b'{"id":1,"job_status":{"source_value":"open"}}'
    context = Context("ats_jobs.x", "d", None, "a", "lever", MESSAGE, 0, "ashby")
    rejection = Rejection("INTERNAL", "EncodeAvro", None, "wrong", payload, 3, context)
    letters = dead_letters("projects/p/subscriptions/s", [rejection], "full", 100)
    file = write_letters(tmp_path / "letters.avro", letters)
    block = next(read_dead_letters(file, LIMITS))
    assert (block.source, block.offsets.tolist()) == ("projects/p/subscriptions/s", [3])
    assert block.contexts is not None
    (found,) = block.contexts
    assert found == context
    assert (found.message, found.attempt) == (MESSAGE, 1)
    (event,) = (each for each in _events(_replayed(file)))
    assert event[1:4] == ("projects/p/subscriptions/s", 3, "17")
    assert event[4] == datetime(2025, 5, 1, 10, 0, 0, 123456, timezone.utc)


# Payloads that cannot be read again


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payload_sha256": ""}, "nothing of it was kept"),
        ({"payload_sha256": "0" * 64}, "holds other bytes now"),
        ({"payload_size": 1000}, "shorter now"),
        ({"source_offset": 1}, "holds other bytes now"),
        ({"source_offset": None}, "where it came from"),
        ({"source": None}, "where it came from"),
        ({"source": "/none/at all"}, "No such file"),
        ({"message_id": "17"}, "in a message"),
        ({"payload_size": 300_000_000}, "--max_document_bytes"),
    ],
)
def test_a_payload_that_cannot_be_read_again_stays_a_dead_letter(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"payload\n")
    letter = letter_without_payload(path, b"payload", 0, **changes)
    file = write_letters(tmp_path / "letters.avro", [letter])
    for _ in range(2):
        (again,) = _letters(_replayed(file))
        attempt = letter["attempt"] + 1
        assert again["error_message"].startswith("wrong; not read again: ")
        assert reason in again["error_message"]
        assert again["attempt"] == attempt
        assert again["error_message"].count("not read again") == 1
        expected = as_attempt(attempt, {**letter, "source": letter["source"] or ""})
        assert {**as_attempt(attempt, again), "error_message": letter["error_message"]} == {
            **expected,
            "attributes": None,
            "publish_time": 0 if letter["message_id"] else None,
        }
        letter = {**letter, "attempt": attempt, "error_message": again["error_message"]}
        file = write_letters(tmp_path / "letters.avro", [letter])


@pytest.mark.parametrize("kept", ["full", "hash"])
def test_a_payload_that_is_still_over_the_limit_is_not_read(
    tmp_path: Path, kept: PayloadPolicy
) -> None:
    source = tmp_path / "in.jsonl"
    (block,) = blocks_of_lines(str(source), [b"x" * 100_000], 0, 99_999)
    letters = dead_letters(str(source), block.rejections, kept, 99_999)
    file = write_letters(tmp_path / "letters.avro", letters)
    (again,) = _letters(_replayed(file, 99_999), 99_999, kept)
    assert again["attempt"] == 1
    assert as_attempt(1, again) == {**as_attempt(1, letters[0]), "step": "ReadDeadLetters"}


# Blocks


def test_letters_are_read_in_order_for_any_sources(tmp_path: Path) -> None:
    sources = ["a", "a", "b", "a", "b", "b"]
    letters = [
        {
            **letter_without_payload(tmp_path, b"", number),
            "payload": b"%d" % number,
            "source": source,
        }
        for number, source in enumerate(sources)
    ]
    blocks = list(read_dead_letters(write_letters(tmp_path / "x.avro", letters), LIMITS))
    assert [(block.source, block.span) for block in blocks[:-1]] == [
        ("a", (0, 2)), ("b", (2, 3)), ("a", (3, 4)), ("b", (4, 6)),
    ]  # fmt: skip
    assert [payload for block in blocks for payload in block.payloads] == [
        b"%d" % number for number in range(6)
    ]


def test_the_attempt_grows_by_one(tmp_path: Path) -> None:
    assert context_of_letter(letter_without_payload(tmp_path, b"", 0, attempt=6)).attempt == 7
