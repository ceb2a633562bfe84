"""Reads the content of a file in chunks, decompressed, and never truncated silently.

The usual readers skip bytes after the first valid stream, or treat the end of the file as the end
of the data. Here a file is whole only if every stream ends where its format says, and only padding
follows. Two errors cannot be detected: a file truncated exactly between two of its streams, and a
change inside a Zstandard frame that has no checksum.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, NamedTuple, cast

from backports import zstd
from isal import igzip_lib

from transforms.read.damage import DamagedInputError
from transforms.read.limits import XZ_MEMORY_BYTES

MAGIC_BYTES = 6
"""Length of the start of a file that identifies its codec."""

CHUNK_BYTES = 512 << 10
"""Most bytes of content that are held before they are copied into a block. A chunk stays in the
cache of a processor core: with chunks of a block, reading takes half as long again."""

_COMPRESSED_BYTES = 64 << 10
_GZIP_HEADER_LIMIT = 128 << 10
_END = 0, b""


class _CorruptError(DamagedInputError):
    """Compressed data is corrupt at or after a position in the file."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class _GzipMember:
    """Decompresses one member of a gzip file.

    Collects the header first: ISA-L fails on a header of several fields that arrives in parts.
    """

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._start: bytes | None = b""
        self._member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if self._start is not None:
            data = self._start + data
            # The header is complete if zlib can decompress the first byte after it.
            probe = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            if not probe.decompress(data, 1) and not probe.eof:
                if len(data) > _GZIP_HEADER_LIMIT:
                    raise ValueError("a gzip header without an end")
                self._start = data
                return b""
            self._start = None
        chunk = self._member.decompress(data, max_length)
        self.eof, self.needs_input = self._member.eof, self._member.needs_input
        self.unused_data = self._member.unused_data
        return chunk


class _Bzip2Stream:
    """Decompresses one bzip2 stream; returns a block of it only if its checksum is right.

    The library returns parts of a block before it compares the checksum of the block.
    """

    _PART_BYTES = 32
    """One block ends in so few bytes, or two. So few blocks are held; each has up to 46 MB."""

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._stream = bz2.BZ2Decompressor()
        self._input = memoryview(b"")
        self._checked = memoryview(b"")

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._input = memoryview(data)
        while not self._checked and self._input and not self._stream.eof:
            part, self._input = self._input[: self._PART_BYTES], self._input[self._PART_BYTES :]
            self._checked = memoryview(self._decompress_blocks(part))
        chunk, self._checked = self._checked[:max_length], self._checked[max_length:]
        self.eof = self._stream.eof and not self._checked
        self.needs_input = not (self._stream.eof or self._checked or self._input)
        if self.eof:
            self.unused_data = self._stream.unused_data + self._input
        return bytes(chunk)

    def _decompress_blocks(self, part: memoryview) -> bytes:
        chunks = [self._stream.decompress(part)]
        # The checksum of a block is compared when nothing of the block is left.
        while chunks[-1] and not self._stream.eof:
            chunks.append(self._stream.decompress(b""))
        return b"".join(chunks)


_Decompressor = _GzipMember | _Bzip2Stream | lzma.LZMADecompressor | zstd.ZstdDecompressor


class _Codec(NamedTuple):
    suffix: str
    magics: tuple[bytes, ...]
    new_decompressor: Callable[[], _Decompressor]


_xz = partial(lzma.LZMADecompressor, format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)

# Parallel writers of Zstandard put a skippable frame before the first frame with data.
_SKIPPABLE_FRAMES = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))

_CODECS = {
    "gzip": _Codec(".gz", (b"\x1f\x8b",), _GzipMember),
    "bzip2": _Codec(".bz2", tuple(b"BZh%d" % level for level in range(1, 10)), _Bzip2Stream),
    "xz": _Codec(".xz", (b"\xfd7zXZ\x00",), _xz),
    "zstandard": _Codec(".zst", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE_FRAMES), zstd.ZstdDecompressor),
}

_ISAL_ERROR = cast("type[Exception]", igzip_lib.IsalError)
_ERRORS = (OSError, EOFError, ValueError, lzma.LZMAError, zstd.ZstdError, zlib.error, _ISAL_ERROR)


def detect_codec(path: str, head: bytes) -> str | None:
    """Detects the codec of a file by its first MAGIC_BYTES bytes; returns None for a plain file.

    JSON text never begins like a codec.

    Raises:
        DamagedInputError: The name has the suffix of a codec, but not the content: the file is
            truncated at its start, overwritten, or misnamed.
    """
    for name, codec in _CODECS.items():
        if head.startswith(codec.magics):
            return name
    for name, codec in _CODECS.items():
        if path.lower().endswith(codec.suffix):
            found = "content does not begin like it" if head else "file is empty"
            raise DamagedInputError(f"the name says {name}, but the {found}")
    return None


def content_chunks(file: BinaryIO, codec: str | None, size: int) -> Iterator[bytes]:
    """Reads all of a file as `plain_chunks` or `decompress` does."""
    return decompress(file, codec) if codec else plain_chunks(file, 0, size)


def plain_chunks(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Reads the bytes [start, stop) of a file that is at `start`, in chunks.

    Raises:
        DamagedInputError: The file ends before `stop`; raised after all that can be read.
        OSError: The file cannot be read further.
    """
    while start < stop:
        chunk = file.read(min(CHUNK_BYTES, stop - start))
        if not chunk:
            raise DamagedInputError(f"it became shorter than {stop} bytes while it was being read")
        start += len(chunk)
        yield chunk


def first_bytes(chunks: Iterator[bytes], size: int) -> bytes:
    """Reads chunks until they have `size` bytes, or up to damage, which the next reader reports."""
    head: list[bytes] = []
    with suppress(DamagedInputError):
        for chunk in chunks:
            head.append(chunk)
            size -= len(chunk)
            if size <= 0:
                break
    return b"".join(head)


def decompress(file: BinaryIO, codec: str) -> Iterator[bytes]:
    """Decompresses a file of one stream or several in chunks of at most CHUNK_BYTES.

    So memory does not depend on the length of the content.

    Raises:
        DamagedInputError: The data is truncated, corrupt, or followed by data that is neither a
            stream nor padding; raised after all that can be decompressed.
        OSError: The file cannot be read further.
    """
    size = 0
    try:
        for chunk in _decompressed(_compressed_parts(file), codec):
            size += len(chunk)
            yield chunk
    except _CorruptError as damage:
        # A decompressor that fails drops its output for the last bytes of its input. Decompress
        # again, and from these bytes on byte by byte.
        file.seek(0)
        again = _decompressed(_compressed_parts(file, bytewise_from=damage.position), codec)
        yield from _skip(again, size)
        raise


def _compressed_parts(
    file: BinaryIO, bytewise_from: int = sys.maxsize
) -> Iterator[tuple[int, bytes]]:
    """Reads a file in parts, with their positions; byte by byte from a position on."""
    position = 0
    while data := file.read(min(_COMPRESSED_BYTES, max(1, bytewise_from - position))):
        yield position, data
        position += len(data)


def _decompressed(parts: Iterator[tuple[int, bytes]], codec: str) -> Iterator[bytes]:
    decompressor = _CODECS[codec].new_decompressor()
    position, data = next(parts, _END)
    while True:
        try:
            chunk = decompressor.decompress(data, CHUNK_BYTES)
        except _ERRORS as error:
            raise _CorruptError(f"the {codec} data is corrupt ({error})", position) from error
        if chunk:
            yield chunk
        data = b""
        if decompressor.eof:
            # Files may be padded with zero bytes. No stream begins with one.
            data = decompressor.unused_data.lstrip(b"\x00")
            while not data:
                position, data = next(parts, _END)
                if not data:
                    return
                data = data.lstrip(b"\x00")
            decompressor = _CODECS[codec].new_decompressor()
        elif decompressor.needs_input:
            position, data = next(parts, _END)
            if not data:
                raise DamagedInputError(f"the {codec} data is truncated")


def _skip(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yields what follows the first `size` bytes, up to damage."""
    with suppress(DamagedInputError):
        for chunk in chunks:
            if len(chunk) > size:
                yield chunk[size:]
            size = max(0, size - len(chunk))
