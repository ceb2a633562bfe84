"""Dead letters read back: every payload once, with its origin and what was known of it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

import fastavro
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from schemas.avro import record_schema
from schemas.errors import InputError
from tests.transforms.event_cases import PAYLOADS_WITH_LONE_SURROGATES, broken, payloads_of
from transforms.blocks.block import EventBlock, RawBlock
from transforms.blocks.context import NO_CONTEXT, Context, MessageInfo
from transforms.blocks.ledger import Ledger
from transforms.blocks.origin import Span
from transforms.blocks.rejection import Rejection
from transforms.encode.dead_letters import PayloadPolicy, dead_letters
from transforms.parse.parse_events import EventParser, EventTypes
from transforms.read import read_dead_letters as module
from transforms.read.compression import DamagedInputError
from transforms.read.dead_letter_files import DeadLetterFile, Letter, letters_of
from transforms.read.lines import blocks_of_lines
from transforms.read.read_dead_letters import context_of_letter, payloads_at, read_dead_letters
from transforms.read.read_files import ReadLimits, read_range, split_file
from transforms.storage import filesystem

LIMITS = ReadLimits()

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


def _parsed(blocks: Iterator[RawBlock], limit: int, context: Context) -> list[EventBlock]:
    parser = EventParser(EventTypes(), limit, context)
    return [parsed for block in blocks for parsed in parser.parse(block)]


def _file_blocks(path: Path, limit: int) -> Iterator[RawBlock]:
    for piece in split_file(str(path), path.stat().st_size, "auto"):
        yield from read_range(piece, ReadLimits(limit))


def _letters(
    blocks: list[EventBlock], limit: int = 10_000_000, policy: PayloadPolicy = "full"
) -> list[Letter]:
    return [
        letter
        for block in blocks
        for letter in dead_letters(block.source, block.rejections, policy, limit)
    ]


def _events(blocks: list[EventBlock]) -> Counter[Any]:
    """Events by identity and origin."""
    names = ("event_id", "source", "source_offset", "message_id", "publish_time")
    return Counter(
        tuple(row[name] for name in names) for block in blocks for row in block.events.to_pylist()
    )


def _read_count(blocks: list[EventBlock]) -> int:
    return sum(block.read for block in blocks)


def write_letters(path: Path, letters: list[Letter], **options: Any) -> DeadLetterFile:
    """Writes a file of dead letters, with a block for every few of them."""
    with path.open("wb") as file:
        schema = fastavro.parse_schema(record_schema("dead_letter").parsed)
        fastavro.writer(file, schema, letters, **{"sync_interval": 100, **options})
    return DeadLetterFile(str(path), path.stat().st_size, len(letters))


def _first_run(
    path: Path, limit: int = 10_000_000, policy: PayloadPolicy = "full"
) -> tuple[list[EventBlock], DeadLetterFile]:
    """What a run makes of a file, and the file of its dead letters."""
    blocks = _parsed(_file_blocks(path, limit), limit, NO_CONTEXT)
    return blocks, write_letters(path.with_suffix(".avro"), _letters(blocks, limit, policy))


def _replayed(file: DeadLetterFile, limit: int = 10_000_000) -> list[EventBlock]:
    return _parsed(read_dead_letters(file, ReadLimits(limit)), limit, NO_CONTEXT)


def _assert_books_close(blocks: list[EventBlock], file: DeadLetterFile) -> None:
    ledger = Ledger()
    for block in blocks:
        ledger.account_for(block.input or block.source, block.span, block.note)
    assert list(ledger.inputs) == [file.path]
    assert ledger.inputs[file.path].discrepancy() is None
    assert ledger.inputs[file.path].end == file.records


# What a replay gives


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


@hypothesis_settings(max_examples=60)
@given(LINES, st.sampled_from([40, 90, 10_000_000]), st.sampled_from(list(PACKERS)), st.data())
def test_good_of_a_run_and_of_its_replay_are_those_of_one_run_with_a_higher_limit(
    directory: Path, payloads: list[bytes], limit: int, packer: str, data: st.DataObject
) -> None:
    path = Path(tempfile.mkdtemp(dir=directory)) / f"in.jsonl{packer.replace('plain', '')}"
    path.write_bytes(PACKERS[packer](b"\n".join(payloads)))
    policies: list[PayloadPolicy] = ["full", "hash"]
    policy = data.draw(st.sampled_from(policies))
    before, file = _first_run(path, limit, policy)
    again = _replayed(file)
    whole = _parsed(_file_blocks(path, 10_000_000), 10_000_000, NO_CONTEXT)
    assert _events(before) + _events(again) == _events(whole)
    _assert_books_close(again, file)
    kept = [letter["source_offset"] for letter in _letters(again)]
    assert Counter(kept) == Counter(letter["source_offset"] for letter in _letters(whole))
    assert {letter["attempt"] for letter in _letters(again)} <= {1}


@hypothesis_settings(max_examples=60)
@given(LINES)
def test_a_replay_of_what_was_not_mended_gives_the_same_dead_letters_and_no_event(
    directory: Path, payloads: list[bytes]
) -> None:
    path = Path(tempfile.mkdtemp(dir=directory)) / "in.jsonl"
    path.write_bytes(b"\n".join(payloads))
    _, file = _first_run(path)
    again = _replayed(file)
    assert not _events(again)
    letters = sorted(_letters(again), key=lambda letter: letter["source_offset"])
    assert [{**letter, "attempt": 0} for letter in letters] == sorted(
        letters_of(file), key=lambda letter: letter["source_offset"]
    )


def test_what_a_page_says_of_its_jobs_makes_the_same_identities(tmp_path: Path) -> None:
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
    (row,) = (row for block in _replayed(file) for row in block.events.to_pylist())
    assert (row["provider"], row["account_id"], row["project_id"]) == ("lever", "5", "p")


MESSAGE = MessageInfo("17", 1_746_093_600_123_456, {"provider": "lever", "é": ""})


def test_a_message_is_that_of_the_first_run(tmp_path: Path) -> None:
    payload = b'{"id":1,"job_status":{"source_value":"open"}}'
    context = Context("ats_jobs.x", "d", None, "a", "lever", MESSAGE)
    rejection = Rejection("INTERNAL", "EncodeAvro", None, "wrong", payload, 3, context)
    letters = dead_letters("projects/p/subscriptions/s", [rejection], "full", 100)
    file = write_letters(tmp_path / "letters.avro", letters)
    block = next(read_dead_letters(file, LIMITS))
    assert (block.source, block.offsets) == ("projects/p/subscriptions/s", [3])
    assert block.contexts is not None
    (found,) = block.contexts
    assert found == context
    assert (found.message, found.attempt) == (MESSAGE, 1)
    (event,) = (each for each in _events(_replayed(file)))
    assert event[1:4] == ("projects/p/subscriptions/s", 3, "17")
    assert event[4] == datetime(2025, 5, 1, 10, 0, 0, 123456, timezone.utc)


# Payloads that are read again


def _letter(path: Path, payload: bytes, offset: int, **changes: Any) -> Letter:
    """A dead letter whose payload was not kept."""
    rejection = Rejection("INVALID_JSON", "ParseEvents", "$.x", "wrong", payload, offset)
    (letter,) = dead_letters(str(path), [rejection], "hash", 10_000_000)
    return {**letter, **changes}


def _outcomes(file: DeadLetterFile, limits: ReadLimits = LIMITS) -> tuple[list[bytes], list[str]]:
    """Payloads to run again, and the messages of the letters that stay what they are."""
    blocks = list(read_dead_letters(file, limits))
    messages = [each.message for block in blocks for each in block.rejections]
    return [payload for block in blocks for payload in block.payloads], messages


@pytest.mark.parametrize("packer", list(PACKERS))
def test_payloads_that_were_not_kept_are_read_again_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packer: str
) -> None:
    lines = [b"%d" % number * 50_000 for number in range(80)]
    path = tmp_path / f"in.jsonl{packer.replace('plain', '')}"
    path.write_bytes(PACKERS[packer](b"\n".join(lines)))
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(80)]
    numbers = [70, 3, 3, 79, 0]
    letters = [_letter(path, lines[number], starts[number]) for number in numbers]
    opened: list[str] = []
    real = filesystem.open_for_reading

    def open_and_tell(name: str) -> BinaryIO:
        opened.append(name)
        return real(name)

    monkeypatch.setattr(filesystem, "open_for_reading", open_and_tell)
    file = write_letters(tmp_path / "letters.avro", letters)
    payloads, messages = _outcomes(file)
    assert sorted(payloads) == sorted(lines[number] for number in numbers)
    assert messages == []
    assert opened == [file.path, str(path)]


@pytest.mark.parametrize(
    ("changes", "why"),
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
def test_a_payload_that_cannot_be_had_stays_a_dead_letter(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"payload\n")
    letter = _letter(path, b"payload", 0, **changes)
    file = write_letters(tmp_path / "letters.avro", [letter])
    for _ in range(2):
        (again,) = _letters(_replayed(file))
        attempt = letter["attempt"] + 1
        assert again["error_message"].startswith("wrong; not read again: ")
        assert why in again["error_message"]
        assert again["error_message"].count("not read again") == 1
        same = {"error_message": letter["error_message"], "attempt": attempt}
        expected = {**letter, **same, "source": letter["source"] or ""}
        assert {**again, "error_message": letter["error_message"]} == {
            **expected,
            "attributes": None,
            "publish_time": 0 if letter["message_id"] else None,
        }
        letter = {**letter, "attempt": attempt, "error_message": again["error_message"]}
        file = write_letters(tmp_path / "letters.avro", [letter])


@pytest.mark.parametrize("kept", ["full", "hash"])
def test_what_is_over_the_limit_still_is_not_read(tmp_path: Path, kept: PayloadPolicy) -> None:
    source = tmp_path / "in.jsonl"
    (block,) = blocks_of_lines(str(source), [b"x" * 100_000], 0, 99_999)
    letters = dead_letters(str(source), block.rejections, kept, 99_999)
    file = write_letters(tmp_path / "letters.avro", letters)
    (again,) = _letters(_replayed(file, 99_999), 99_999, kept)
    assert again == {**letters[0], "attempt": 1, "step": "ReadDeadLetters"}


def test_a_cut_source_gives_what_lies_before_the_cut(tmp_path: Path) -> None:
    lines = [hashlib.shake_128(b"%d" % number).hexdigest(150_000).encode() for number in range(9)]
    packed = bz2.compress(b"\n".join(lines), 1)
    path = tmp_path / "in.jsonl.bz2"
    path.write_bytes(packed[:-40])
    letters = [_letter(path, line, 300_001 * number) for number, line in enumerate(lines)]
    payloads, messages = _outcomes(write_letters(tmp_path / "letters.avro", letters))
    assert 0 < len(payloads) < 9
    assert payloads == lines[: len(payloads)]
    assert len(messages) == 9 - len(payloads)
    assert all("cut off" in message for message in messages)


SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda at: (at[0], at[0] + at[1])),
    unique=True,
    max_size=8,
).map(lambda spans: sorted(Span(*span) for span in spans))


@given(SPANS, st.integers(1, 20), st.booleans())
def test_pieces_are_cut_out_wherever_they_lie_and_overlap(
    directory: Path, spans: list[Span], chunk_bytes: int, packed: bool
) -> None:
    data = bytes(range(70))
    path = directory / ("data.gz" if packed else "data")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.MonkeyPatch.context() as patch:
        chunks = [data[at : at + chunk_bytes] for at in range(0, 70, chunk_bytes)]
        patch.setattr(module, "decompress", lambda *_: iter(chunks))
        found = dict(payloads_at(str(path), spans))
    assert found == {span: data[slice(*span)] for span in spans if span.end <= 70}


# Files


def test_a_letter_after_the_other_is_read_whatever_their_sources(tmp_path: Path) -> None:
    sources = ["a", "a", "b", "a", "b", "b"]
    letters = [
        {**_letter(tmp_path, b"", number), "payload": b"%d" % number, "source": source}
        for number, source in enumerate(sources)
    ]
    blocks = list(read_dead_letters(write_letters(tmp_path / "x.avro", letters), LIMITS))
    assert [(block.source, block.span) for block in blocks[:-1]] == [
        ("a", (0, 2)), ("b", (2, 3)), ("a", (3, 4)), ("b", (4, 6)),
    ]  # fmt: skip
    assert [payload for block in blocks for payload in block.payloads] == [
        b"%d" % number for number in range(6)
    ]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_file_that_is_cut_anywhere_is_damaged(tmp_path: Path, codec: str) -> None:
    letters = [
        {**_letter(tmp_path, b"%d" % number, number), "payload": b"%d" % number}
        for number in range(4)
    ]
    whole = write_letters(tmp_path / "whole.avro", letters, codec=codec, sync_interval=1)
    data = Path(whole.path).read_bytes()
    path = tmp_path / "cut.avro"
    between_blocks = set()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        file = DeadLetterFile(str(path), cut, 4)
        *blocks, last = read_dead_letters(file, LIMITS)
        assert last.note is not None and last.note.damage is not None
        assert last.note.end == sum(len(block.payloads) for block in blocks)
        *_, last = read_dead_letters(replace_records(file, None), LIMITS)
        if last.note is not None and last.note.damage is None:
            between_blocks.add(cut)
    # Without a manifest, a cut exactly between two blocks cannot be told.
    assert len(between_blocks) == 4


def replace_records(file: DeadLetterFile, records: int | None) -> DeadLetterFile:
    """The same file where a manifest says another number of letters, or there is none."""
    return file._replace(records=records)


def test_a_file_with_more_letters_than_its_manifest_says_is_damaged(tmp_path: Path) -> None:
    file = write_letters(tmp_path / "x.avro", [_letter(tmp_path, b"", 0)] * 3)
    with pytest.raises(DamagedInputError, match="holds 3 letters, but its manifest says 2"):
        list(letters_of(replace_records(file, 2)))


def test_a_file_of_other_records_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.avro"
    with path.open("wb") as file:
        schema = {"type": "record", "name": "Other", "fields": []}
        fastavro.writer(file, fastavro.parse_schema(schema), [{}])
    with pytest.raises(DamagedInputError, match="not one of dead letters"):
        list(letters_of(DeadLetterFile(str(path), path.stat().st_size)))


def test_a_file_that_is_gone_is_damage_too(tmp_path: Path) -> None:
    gone = DeadLetterFile(str(tmp_path / "gone.avro"), 5, 1)
    (only,) = read_dead_letters(gone, LIMITS)
    assert only.note is not None and only.note.damage is not None
    with pytest.raises(InputError):
        list(letters_of(gone))


def test_an_attempt_is_one_more_each_time(tmp_path: Path) -> None:
    assert context_of_letter(_letter(tmp_path, b"", 0, attempt=6)).attempt == 7
