"""A compressed file is read whole, or its damage is reported after all that comes before it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.transforms.read.compressed import zstandard
from transforms.read import compression
from transforms.read.compression import MAGIC_BYTES, decompress, detect_codec
from transforms.read.damage import DamagedInputError


class _Codec(NamedTuple):
    suffix: str
    compress: Callable[[bytes], bytes]
    reference: Callable[[], Any]


_CODECS = {
    "gzip": _Codec(".gz", gzip.compress, lambda: zlib.decompressobj(31)),
    "bzip2": _Codec(".bz2", bz2.compress, bz2.BZ2Decompressor),
    "xz": _Codec(".xz", lzma.compress, lzma.LZMADecompressor),
    "zstandard": _Codec(".zst", zstandard, zstd.ZstdDecompressor),
}

every_codec = pytest.mark.parametrize("codec", _CODECS)


class _Trickle(io.BytesIO):
    """A file that returns a limited number of bytes at a time, as a network may."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


class _Read(NamedTuple):
    data: bytes
    damage: str | None
    chunks: int


def _read(
    data: bytes, codec: str, *, most: int = 1 << 30, chunk_bytes: int = compression.CHUNK_BYTES
) -> _Read:
    chunks = []
    damage = None
    with patch.object(compression, "CHUNK_BYTES", chunk_bytes):
        try:
            for chunk in decompress(_Trickle(data, most), codec):
                chunks.append(chunk)
        except DamagedInputError as error:
            damage = str(error)
    assert all(0 < len(chunk) <= chunk_bytes for chunk in chunks)
    return _Read(b"".join(chunks), damage, len(chunks))


def _lines(size: int, seed: int = 1) -> bytes:
    draw = random.Random(seed)
    rows = bytearray()
    while len(rows) < size:
        rows += b'{"id":"%x","status":"open"}\n' % draw.getrandbits(draw.choice([8, 64]))
    return bytes(rows[:size])


@every_codec
@pytest.mark.parametrize("size", [0, 1, 5000, 3 * (1 << 16) + 7])
def test_a_whole_file_is_read(codec: str, size: int) -> None:
    data = _lines(size)
    packed = _CODECS[codec].compress(data)
    assert detect_codec("f", packed[:MAGIC_BYTES]) == codec
    got = _read(packed, codec, chunk_bytes=1 << 16)
    assert (got.damage, got.data) == (None, data)
    assert got.chunks >= size >> 16


@every_codec
@hypothesis_settings(max_examples=25)
@given(
    parts=st.lists(st.binary(max_size=50), min_size=1, max_size=6),
    padding=st.lists(st.integers(0, 9), min_size=6, max_size=6),
    most=st.integers(1, 200),
)
def test_all_streams_of_a_file_are_read(
    codec: str, parts: list[bytes], padding: list[int], most: int
) -> None:
    compress = _CODECS[codec].compress
    packed = b"".join(
        compress(part) + bytes(zeros) for part, zeros in zip(parts, padding, strict=False)
    )
    got = _read(packed, codec, most=most)
    assert (got.damage, got.data) == (None, b"".join(parts))


def _readable(codec: str, packed: bytes) -> bytes:
    """Returns what a reference decompressor reads from the first bytes of a stream."""
    data: bytes = _CODECS[codec].reference().decompress(packed)
    return data


@every_codec
def test_a_file_truncated_at_any_byte_is_damaged_and_read_up_to_there(codec: str) -> None:
    data = _lines(600)
    packed = _CODECS[codec].compress(data)
    for cut in range(1, len(packed)):
        got = _read(packed[:cut], codec)
        assert got.damage == f"the {codec} data is truncated"
        assert got.data == _readable(codec, packed[:cut])


@every_codec
def test_a_larger_file_truncated_at_200_places_is_damaged_and_read_up_to_there(codec: str) -> None:
    data = _lines(200_000)
    first = _CODECS[codec].compress(data[:150_000])
    packed = first + _CODECS[codec].compress(data[150_000:])
    draw = random.Random(2)
    for cut in draw.sample(range(1, len(packed)), 200):
        got = _read(packed[:cut], codec)
        if cut == len(first):
            assert (got.damage, got.data) == (None, data[:150_000])
            continue
        assert got.damage is not None
        if cut > len(first):
            readable = data[:150_000] + _readable(codec, packed[len(first) : cut])
        else:
            readable = _readable(codec, packed[:cut])
        # ISA-L decodes up to three literals at once, and none of them if one is missing.
        missing = 2 if codec == "gzip" else 0
        assert got.data == readable[: len(got.data)]
        assert len(got.data) >= len(readable) - missing


@every_codec
def test_a_wrong_byte_is_damage_or_changes_nothing(codec: str) -> None:
    data = _lines(9000)
    packed = _CODECS[codec].compress(data)
    draw = random.Random(3)
    found_damage = 0
    for _ in range(200):
        place = draw.randrange(len(packed))
        wrong = bytearray(packed)
        wrong[place] ^= draw.randrange(1, 256)
        head = bytes(wrong[:MAGIC_BYTES])
        try:
            detected = detect_codec(f"f{_CODECS[codec].suffix}", head)
        except DamagedInputError:
            found_damage += 1
            continue
        got = _read(bytes(wrong), detected or "")
        if got.damage is None:
            assert got.data == data
        else:
            found_damage += 1
            before = _readable(codec, packed[:place])
            assert got.data[: len(before)] == before
    assert found_damage > 150


@every_codec
def test_a_wrong_checksum_at_the_end_loses_nothing_before_it(codec: str) -> None:
    data = _lines(3000)
    other = _CODECS[codec].compress(_lines(3000, seed=2))
    packed = {
        "gzip": lambda: gzip.compress(data)[:-8] + other[-8:],
        # The last bytes of the others are the checksum of a stream, of its index, of a frame.
        "bzip2": lambda: _flipped(bz2.compress(data), -2),
        "xz": lambda: _flipped(lzma.compress(data), -20),
        "zstandard": lambda: zstandard(data)[:-4] + other[-4:],
    }[codec]()
    got = _read(packed, codec)
    assert got.damage is not None
    assert got.damage.startswith(f"the {codec} data is corrupt")
    assert got.data == data


def _flipped(packed: bytes, place: int) -> bytes:
    wrong = bytearray(packed)
    wrong[place] ^= 0x40
    return bytes(wrong)


def test_a_bzip2_block_with_a_wrong_bit_is_not_read() -> None:
    data = _lines(250_000)
    packed = bz2.compress(data, 1)
    draw = random.Random(7)
    for _ in range(25):
        got = _read(_flipped(packed, draw.randrange(4, len(packed))), "bzip2")
        assert got.damage is not None
        assert got.data == data[: len(got.data)]


@every_codec
def test_damage_far_into_a_file_loses_nothing_before_it(codec: str) -> None:
    chunk_bytes = 1 << 18
    data = random.Random(4).randbytes(2 * chunk_bytes + 300_000)
    first, second = data[: 2 * chunk_bytes], data[2 * chunk_bytes :]
    compress = _CODECS[codec].compress
    packed = compress(first) + _flipped(compress(second), -1000)
    got = _read(packed, codec, chunk_bytes=chunk_bytes)
    assert got.chunks > 1
    assert got.damage is not None
    assert got.data[: len(first)] == first
    if codec == "gzip":
        # A gzip stream is never held back: all but its last bytes are read.
        assert got.data[: len(data) - 2000] == data[:-2000]


@every_codec
@pytest.mark.parametrize(
    "garbage", [b"x", b"\n", b'{"a":1}\n', b"\x00\x00x", b"\x1f", b"\x1f\x8b\x08\xff" * 5]
)
def test_garbage_after_the_last_stream_is_damage(codec: str, garbage: bytes) -> None:
    got = _read(_CODECS[codec].compress(b"abc\n") + garbage, codec)
    assert got.damage is not None
    assert got.data == b"abc\n"


@every_codec
def test_random_bytes_after_a_magic_are_damage(codec: str) -> None:
    draw = random.Random(5)
    magic = _CODECS[codec].compress(b"")[:MAGIC_BYTES]
    for size in range(1, 100, 7):
        assert _read(magic + draw.randbytes(size), codec).damage is not None


@every_codec
@pytest.mark.parametrize("content", [b"", b"{", b'{"event":"x"}\n', b"BZh", b"\x00" * 10])
def test_a_compressed_name_with_plain_content_is_damage(codec: str, content: bytes) -> None:
    for suffix in (_CODECS[codec].suffix, _CODECS[codec].suffix.upper()):
        with pytest.raises(DamagedInputError, match=f"the name says {codec}"):
            detect_codec(f"/in/jobs.jsonl{suffix}", content)


@every_codec
def test_the_content_decides_the_codec_for_any_name(codec: str) -> None:
    head = _CODECS[codec].compress(b"x")[:MAGIC_BYTES]
    for name in ("jobs", "jobs.jsonl", *(f"jobs{each.suffix}" for each in _CODECS.values())):
        assert detect_codec(name, head) == codec


@given(st.binary(max_size=MAGIC_BYTES))
def test_text_is_never_detected_as_a_codec(head: bytes) -> None:
    for begin in (b"{", b"[", b" ", b"\n", b"\xef\xbb\xbf", b'"', b"BZhX", b"P*"):
        assert detect_codec("jobs.jsonl", (begin + head.hex().encode())[:MAGIC_BYTES]) is None


# gzip


def _gzip_with(flags: int, data: bytes, *, wrong_header_checksum: bool = False) -> bytes:
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\x00\x00\x00\x00\x00\xff"
    if flags & 4:
        header += b"\x05\x00extra"
    if flags & 8:
        header += b"name\x00"
    if flags & 16:
        header += b"comment\x00"
    if flags & 2:
        checksum = zlib.crc32(header) & 0xFFFF ^ wrong_header_checksum
        header += checksum.to_bytes(2, "little")
    body = zlib.compressobj(wbits=-15)
    trailer = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
    return header + body.compress(data) + body.flush() + trailer


@pytest.mark.parametrize("most", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("flags", range(32))
def test_a_gzip_header_with_any_fields_is_read_in_any_parts(flags: int, most: int) -> None:
    packed = _gzip_with(flags, b"abc" * 50)
    got = _read(packed * 3, "gzip", most=most)
    assert (got.damage, got.data) == (None, b"abc" * 150)


def test_a_wrong_gzip_header_is_damage() -> None:
    assert _read(_gzip_with(2, b"abc", wrong_header_checksum=True), "gzip").damage is not None
    assert _read(_gzip_with(0x20, b"abc"), "gzip").damage is not None


def test_a_gzip_name_without_an_end_is_not_held_in_memory() -> None:
    packed = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff" + b"n" * (4 << 20)
    tracemalloc.start()
    try:
        got = _read(packed, "gzip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.damage is not None
    assert peak < len(packed) + (2 << 20)


# Zstandard

_SKIPPED = b"\x5a\x2a\x4d\x18\x04\x00\x00\x00\xde\xad\xbe\xef"


def test_skippable_frames_are_skipped() -> None:
    packed = _SKIPPED + zstandard(b"abc") + _SKIPPED + zstandard(b"def") + _SKIPPED
    assert detect_codec("f", packed[:MAGIC_BYTES]) == "zstandard"
    for most in (1, 5, 1 << 20):
        got = _read(packed, "zstandard", most=most)
        assert (got.damage, got.data) == (None, b"abcdef")


def test_a_truncated_skippable_frame_is_damage() -> None:
    packed = zstandard(b"abc") + _SKIPPED
    for cut in range(1, len(_SKIPPED)):
        got = _read(packed[:-cut], "zstandard")
        assert (got.damage, got.data) == ("the zstandard data is truncated", b"abc")


def test_a_window_that_needs_too_much_memory_is_damage() -> None:
    window_log = 31
    raw_block = (3 << 3 | 1).to_bytes(3, "little") + b"abc"
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3]) + raw_block
    got = _read(frame, "zstandard")
    assert got.damage is not None
    assert "memory" in got.damage

    small = frame[:5] + bytes([(20 - 10) << 3]) + raw_block
    assert _read(small, "zstandard").data == b"abc"


def test_an_xz_dictionary_that_needs_too_much_memory_is_damage() -> None:
    packed = bytearray(lzma.compress(b"abc"))
    header = slice(12, 12 + (packed[12] + 1) * 4)
    assert packed[14:16] == b"\x21\x01"
    packed[16] = 36  # 1 GiB
    packed[header.stop - 4 : header.stop] = zlib.crc32(packed[12 : header.stop - 4]).to_bytes(
        4, "little"
    )
    got = _read(bytes(packed), "xz")
    assert got.damage is not None
    assert "emory" in got.damage


# Memory and time


_BZIP2_BLOCK_BYTES = 46_620_000
"""The most that a block of bzip2 holds: 900,000 runs of 259 bytes in 5."""


@every_codec
@pytest.mark.parametrize("byte", [b"\n", b"x"])
def test_a_bomb_is_read_in_constant_memory(codec: str, byte: bytes) -> None:
    chunk_bytes = 1 << 18
    streams = 7 if codec == "bzip2" else 1
    held_bytes = 2 * _BZIP2_BLOCK_BYTES if codec == "bzip2" else 0
    bomb = byte * (192 * chunk_bytes)
    packed = _CODECS[codec].compress(bomb) * streams
    assert len(packed) < 100_000
    size = 0
    tracemalloc.start()
    try:
        with patch.object(compression, "CHUNK_BYTES", chunk_bytes):
            for chunk in decompress(io.BytesIO(packed), codec):
                assert chunk.count(byte) == len(chunk)
                size += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == len(bomb) * streams
    # The tables and the window of the codec, a growing chunk, and the yielded chunk.
    assert peak < held_bytes + (9 << 20) + 4 * chunk_bytes <= size // 3


def test_a_small_reading_size_changes_nothing() -> None:
    data = _lines(300_000)
    packed = gzip.compress(data[:100_000]) + _gzip_with(31, data[100_000:])
    for size in (1000, 4097):
        with patch.object(compression, "_COMPRESSED_BYTES", size):
            assert _read(packed, "gzip").data == data


def test_an_error_of_the_filesystem_is_raised_after_what_was_read() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 1000:
                raise OSError(5, "Input/output error")
            return super().read(1000)

    packed = gzip.compress(random.Random(6).randbytes(5000))
    got = []
    with pytest.raises(OSError, match="Input/output error"):
        for chunk in decompress(Failing(packed), "gzip"):
            got.append(chunk)
    assert len(b"".join(got)) > 900
