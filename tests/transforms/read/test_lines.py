"""Every line is read once with its offset, for any chunks and any length of a line."""

from __future__ import annotations

import hashlib
import random
import time
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.blocks import rejection
from transforms.blocks.block import RawBlock
from transforms.blocks.block_size import BLOCK_ROWS
from transforms.blocks.origin import Span
from transforms.blocks.rejection import PAYLOAD_HEAD_BYTES
from transforms.read import lines
from transforms.read.lines import blocks_of_lines

_NO_LIMIT = 1 << 30


class _TooLarge(NamedTuple):
    offset: int
    head: bytes
    size: int
    sha256: str


class _Outcome(NamedTuple):
    payloads: list[tuple[int, bytes]]
    too_large: list[_TooLarge]


def _expected(data: bytes, start: int, limit: int) -> _Outcome:
    """Returns the outcome of a plain implementation that holds the whole data."""
    outcome = _Outcome([], [])
    offset = start
    for line in data.split(b"\n"):
        text = line[:-1] if line.endswith(b"\r") else line
        if text.strip(b" \t\r"):
            if len(text) > limit:
                digest = hashlib.sha256(text).hexdigest()
                head = text[:PAYLOAD_HEAD_BYTES]
                outcome.too_large.append(_TooLarge(offset, head, len(text), digest))
            else:
                outcome.payloads.append((offset, text))
        offset += len(line) + 1
    return outcome


def _outcome(blocks: list[RawBlock]) -> _Outcome:
    outcome = _Outcome([], [])
    for block in blocks:
        outcome.payloads.extend(zip(block.offsets, block.payloads, strict=True))
        for each in block.rejections:
            assert (each.code, each.step) == ("TOO_LARGE", "ReadFiles")
            assert each.offset is not None
            assert each.full_size is not None
            assert each.full_sha256 is not None
            outcome.too_large.append(
                _TooLarge(each.offset, each.payload, each.full_size, each.full_sha256)
            )
    return outcome


def _assert_tiles(blocks: list[RawBlock], start: int, end: int) -> None:
    for block in blocks:
        assert block.span is not None
        assert block.span.start == start
        assert block.span.end > start
        start = block.span.end
    assert start == end


def _read(
    data: bytes, *, limit: int = _NO_LIMIT, start: int = 0, cuts: tuple[int, ...] = ()
) -> list[RawBlock]:
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(borders)]
    blocks = list(blocks_of_lines("f", chunks, start, limit))
    _assert_tiles(blocks, start, start + len(data))
    return blocks


_WHITE = st.sampled_from([b"\n", b"\r\n", b"\r", b" ", b"\t", b" " * 40])
_TEXT = st.sampled_from([b"a", b"{}", b'{"a":1}', b"x" * 40, b"y\r", b"\x00", b"\x1f", b"\xff"])
_CONTENTS = st.lists(_WHITE | _TEXT, max_size=40).map(b"".join)


@given(
    data=_CONTENTS,
    limit=st.integers(0, 60),
    start=st.integers(0, 1 << 40),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=30).map(tuple),
    most_lines=st.integers(1, 9),
    block_bytes=st.integers(1, 200),
    head_bytes=st.integers(1, 30),
)
def test_every_line_is_read_once_for_any_chunks(
    data: bytes,
    limit: int,
    start: int,
    cuts: tuple[int, ...],
    most_lines: int,
    block_bytes: int,
    head_bytes: int,
) -> None:
    with (
        patch.object(lines, "BLOCK_ROWS", most_lines),
        patch.object(lines, "BLOCK_BYTES", block_bytes),
        patch.object(lines, "PAYLOAD_HEAD_BYTES", head_bytes),
        patch.object(rejection, "PAYLOAD_HEAD_BYTES", head_bytes),
    ):
        blocks = _read(data, limit=limit, start=start, cuts=cuts)
    got, expected = _outcome(blocks), _expected(data, start, limit)
    assert got.payloads == expected.payloads
    cut_heads = [each._replace(head=each.head[:head_bytes]) for each in expected.too_large]
    assert got.too_large == cut_heads
    for offset, payload in got.payloads:
        assert data[offset - start :].startswith(payload)
    assert all(len(block.payloads) <= most_lines for block in blocks)


@pytest.mark.parametrize("seed", range(20))
def test_random_files_of_many_lines_are_read_whole(seed: int) -> None:
    draw = random.Random(seed)
    ends = [b"\n", b"\r\n", b"\n\n", b" \n"]
    data = b"".join(
        draw.randbytes(draw.choice([0, 1, 5, 200, 3000])).replace(b"\n", b"-") + draw.choice(ends)
        for _ in range(draw.randrange(1, 300))
    )
    data += draw.choice([b"", b"last", b"last\r", b"\xef\xbb\xbf"])
    limit = draw.choice([1, 199, 200, 201, 2999, 3001, _NO_LIMIT])
    cuts = tuple(draw.randrange(len(data) + 1) for _ in range(draw.choice([0, 3, 200])))
    assert _outcome(_read(data, limit=limit, cuts=cuts)) == _expected(data, 0, limit)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("length", range(7, 14))
def test_a_line_near_the_limit_has_one_outcome_for_any_chunks(length: int, end: bytes) -> None:
    data = b"x" * length + end + b"{}"
    expected = _expected(data, 0, 10)
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            assert _outcome(_read(data, limit=10, cuts=(first, second))) == expected


def test_small_chunks_share_a_block_up_to_its_size() -> None:
    data = b"{}\n" * 100
    with patch.object(lines, "BLOCK_BYTES", 120):
        sizes = [len(block.payloads) for block in _read(data, cuts=tuple(range(0, 300, 7)))]
    # 119 bytes in chunks of 7 hold 39 whole lines, and the rest of a line that started before.
    assert sizes == [39, 40, 21]


def test_a_line_at_the_limit_is_kept_without_counting_its_line_end() -> None:
    (block,) = _read(b"x" * 10 + b"\r\n", limit=10)
    assert (list(block.payloads), block.rejections) == ([b"x" * 10], [])


def test_a_carriage_return_alone_does_not_end_a_line() -> None:
    (block,) = _read(b'{"a":1}\r{"b":2}\n')
    assert list(block.payloads) == [b'{"a":1}\r{"b":2}']


def test_a_line_of_white_space_is_skipped_at_any_length() -> None:
    blocks = _read(b"{}\n" + b" " * 90 + b"\r\n" + b"\t" * 50, limit=10, cuts=(40, 60, 120))
    assert _outcome(blocks) == ([(0, b"{}")], [])


def test_empty_input_makes_no_block() -> None:
    assert list(blocks_of_lines("f", [], 0, 10)) == []
    assert list(blocks_of_lines("f", [b"", b""], 5, 10)) == []


def test_the_message_for_a_long_line_holds_the_limit_and_nothing_of_the_line() -> None:
    (block,) = _read(b"canary" * 9, limit=10)
    message = block.rejections[0].message
    assert message == "54 bytes, over the limit of 10 (--max_event_bytes)"


def test_tiny_lines_make_several_blocks() -> None:
    blocks = _read(b"1\n" * (2 * BLOCK_ROWS + 1))
    assert [len(block.payloads) for block in blocks] == [BLOCK_ROWS, BLOCK_ROWS, 1]
    assert blocks[1].span == Span(2 * BLOCK_ROWS, 4 * BLOCK_ROWS)


def _long_line(size: int, chunk: int) -> Iterator[bytes]:
    piece = b"x" * chunk
    for _ in range(size // chunk):
        yield piece
    yield b'\r\n{"a":1}\n'


def test_a_long_line_uses_little_memory_and_its_digest_covers_all_of_it() -> None:
    size, limit = 30 << 20, 1 << 20
    tracemalloc.start()
    try:
        blocks = list(blocks_of_lines("f", _long_line(size, 64 << 10), 0, limit))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    (rejection,) = blocks[0].rejections
    assert len(rejection.payload) == PAYLOAD_HEAD_BYTES
    assert rejection.full_size == size
    assert rejection.full_sha256 == hashlib.sha256(b"x" * size).hexdigest()
    assert blocks[0].span == Span(0, size + 2)
    assert _outcome(blocks[1:]).payloads == [(size + 2, b'{"a":1}')]
    _assert_tiles(blocks, 0, size + 2 + 8)


def test_time_is_linear_in_the_length_of_a_line() -> None:
    def seconds(size: int) -> float:
        # Processor time: other work of the machine does not count.
        start = time.thread_time()
        for _ in blocks_of_lines("f", _long_line(size, 16 << 10), 0, 10_000_000):
            pass
        return time.thread_time() - start

    # Both are over the limit. Linear time is 8 times as long, quadratic time 64 times.
    short = min(seconds(12 << 20) for _ in range(3))
    assert min(seconds(96 << 20) for _ in range(3)) < 30 * short
