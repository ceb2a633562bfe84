"""Payloads that a dead letter does not hold are read again from their sources."""

from __future__ import annotations

import bz2
import gzip
import hashlib
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.read.compressed import COMPRESS_OR_PLAIN
from tests.transforms.read.letters import letter_without_payload, outcomes_of, write_letters
from transforms.blocks.origin import Span
from transforms.read import compression, reread
from transforms.read.reread import read_spans
from transforms.storage import filesystem


@pytest.mark.parametrize("suffix", COMPRESS_OR_PLAIN)
def test_payloads_that_were_not_kept_are_read_again_by_reading_the_source_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    lines = [b"%d" % number * 5_000 for number in range(80)]
    path = tmp_path / f"in.jsonl{suffix}"
    path.write_bytes(COMPRESS_OR_PLAIN[suffix](b"\n".join(lines)))
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(80)]
    numbers = [70, 3, 3, 79, 0]
    letters = [letter_without_payload(path, lines[number], starts[number]) for number in numbers]
    opened: list[str] = []
    real = filesystem.open_for_reading

    def open_and_record(name: str) -> BinaryIO:
        opened.append(name)
        return real(name)

    monkeypatch.setattr(filesystem, "open_for_reading", open_and_record)
    monkeypatch.setattr(compression, "CHUNK_BYTES", 1 << 18)
    file = write_letters(tmp_path / "letters.avro", letters)
    payloads, messages = outcomes_of(file)
    assert sorted(payloads) == sorted(lines[number] for number in numbers)
    assert messages == []
    assert opened == [file.path, str(path)]


def test_a_truncated_source_gives_the_payloads_before_its_end(tmp_path: Path) -> None:
    lines = [hashlib.shake_128(b"%d" % number).hexdigest(150_000).encode() for number in range(9)]
    packed = bz2.compress(b"\n".join(lines), 1)
    path = tmp_path / "in.jsonl.bz2"
    path.write_bytes(packed[:-40])
    letters = [
        letter_without_payload(path, line, 300_001 * number) for number, line in enumerate(lines)
    ]
    payloads, messages = outcomes_of(write_letters(tmp_path / "letters.avro", letters))
    assert 0 < len(payloads) < 9
    assert payloads == lines[: len(payloads)]
    assert len(messages) == 9 - len(payloads)
    assert all("is truncated" in message for message in messages)


SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda at: (at[0], at[0] + at[1])),
    unique=True,
    max_size=8,
).map(lambda spans: sorted(Span(*span) for span in spans))


@given(SPANS, st.integers(1, 20), st.booleans())
def test_any_spans_of_a_file_are_read_even_if_they_overlap(
    tmp_path_factory: pytest.TempPathFactory, spans: list[Span], chunk_bytes: int, packed: bool
) -> None:
    data = bytes(range(70))
    path = tmp_path_factory.getbasetemp() / ("data.gz" if packed else "data")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.MonkeyPatch.context() as patch:
        chunks = [data[at : at + chunk_bytes] for at in range(0, 70, chunk_bytes)]
        patch.setattr(reread, "decompress", lambda *_: iter(chunks))
        found = dict(read_spans(str(path), spans))
    assert found == {span: data[slice(*span)] for span in spans if span.end <= 70}
