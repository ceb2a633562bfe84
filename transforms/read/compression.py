"""Compressed input, told by its first bytes, and never cut short in silence.

The usual readers treat bytes behind the first good stream as rubbish to skip, or the end of the
file as the end of the data. Here a file is whole only when every stream in it ends where the
format says and nothing but padding follows. What no reader can tell: a file cut exactly between
two of its streams, and a change inside a Zstandard frame that was written without a checksum.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

from backports import zstd
from isal import igzip_lib, isal_zlib

from transforms.blocks import BLOCK_BYTES

MAGIC_BYTES = 6
"""How many first bytes tell every codec."""

_COMPRESSED_CHUNK = 64 << 10
_GZIP_HEADER_LIMIT = 128 << 10
# Zstandard takes a window of 128 MiB unasked; this is the same for xz, and what it needs beside.
_XZ_MEMORY = 136 << 20


class DamagedInputError(Exception):
    """An input that ends too early or is not what it says; the text says how."""


class _CorruptError(DamagedInputError):
    """What was read from a position on cannot be decompressed."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class _Decompressor(Protocol):
    """What bz2, lzma, zstd and the members of gzip have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipMember:
    """One member of a gzip file.

    Its header is read here: ISA-L fails on one with several fields that arrives in pieces.
    """

    def __init__(self) -> None:
        self._header: bytes | None = b""
        self._body = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP_NO_HDR_VER)

    @property
    def eof(self) -> bool:
        return self._body.eof

    @property
    def needs_input(self) -> bool:
        return self._body.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._body.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if self._header is not None:
            data = self._header + data
            end = _gzip_header_end(data)
            if end is None:
                self._header = data
                return b""
            self._header = None
            data = data[end:]
        return self._body.decompress(data, max_length)


def _gzip_header_end(data: bytes) -> int | None:
    """Where the header of a gzip member ends (RFC 1952), or None if that is still to come."""
    if not b"\x1f\x8b\x08".startswith(data[:3]) or (len(data) > 3 and data[3] & 0xE0):
        raise ValueError("no gzip header")
    if len(data) < 12:
        return None
    flags = data[3]
    end = 10
    if flags & 4:
        end += 2 + int.from_bytes(data[10:12], "little")
    for flag in (8, 16):
        if flags & flag:
            end = (data.find(b"\x00", end) + 1) or len(data) + 1
    if flags & 2:
        given = int.from_bytes(data[end : end + 2], "little")
        if end + 2 <= len(data) and given != isal_zlib.crc32(data[:end]) & 0xFFFF:
            raise ValueError("wrong checksum of a gzip header")
        end += 2
    if end <= len(data):
        return end
    if len(data) > _GZIP_HEADER_LIMIT:
        raise ValueError("a gzip header without an end")
    return None


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


# Parallel writers of Zstandard put a frame that is to be skipped before the first one with data.
_SKIPPABLE_FRAMES = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))

_CODECS: dict[str, tuple[tuple[bytes, ...], Callable[[], _Decompressor]]] = {
    "gzip": ((b"\x1f\x8b",), _GzipMember),
    "bzip2": (tuple(b"BZh%d" % level for level in range(1, 10)), bz2.BZ2Decompressor),
    "xz": ((b"\xfd7zXZ\x00",), _xz),
    "zstandard": ((b"\x28\xb5\x2f\xfd", *_SKIPPABLE_FRAMES), zstd.ZstdDecompressor),
}

_SUFFIXES = {
    ".gz": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zst": "zstandard",
}

_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    lzma.LZMAError,
    cast("type[Exception]", igzip_lib.IsalError),
    zstd.ZstdError,
)


def codec_of(path: str, head: bytes) -> str | None:
    """Tells the codec of a file by its content.

    Args:
        path: Its name, which is only held against the content.
        head: Its first MAGIC_BYTES bytes, or all of it if it is shorter.

    Returns:
        The codec's name, or None for a plain file. JSON text cannot begin like any codec.

    Raises:
        DamagedInputError: The name promises a compressed file and the content is none: it was
            cut off at its very start, or overwritten, or misnamed.
    """
    for name, (magic, _) in _CODECS.items():
        if head.startswith(magic):
            return name
    for suffix, name in _SUFFIXES.items():
        if path.lower().endswith(suffix):
            raise DamagedInputError(f"the name says {name}, but the content does not begin like it")
    return None


def decompress(file: BinaryIO, codec: str) -> Iterator[bytes]:
    """Decompresses a file of one stream or several, in chunks of at most a block.

    Args:
        file: Opened at its start, and able to go back to it.
        codec: As `codec_of` told it.

    Yields:
        Chunks of 1 to BLOCK_BYTES bytes, so that a small file which unpacks to an endless one
        takes no more memory than any other. Small streams share a chunk.

    Raises:
        DamagedInputError: Cut off, corrupt, or followed by what is neither a stream nor padding;
            raised only when everything before the damage has been yielded.
        OSError: The file cannot be read on.
    """
    done = 0
    try:
        for chunk in _in_blocks(_decompressed(_Source(file), codec)):
            done += len(chunk)
            yield chunk
    except _CorruptError as damage:
        # A decompressor that fails keeps what it had made of the last bytes it was given. So once
        # more, up to them, and then byte by byte.
        file.seek(0)
        again = _decompressed(_Source(file, careful_from=damage.position), codec)
        yield from _in_blocks(_behind(again, done))
        raise


class _Source:
    """A compressed file that is read on, byte by byte from a position on."""

    def __init__(self, file: BinaryIO, careful_from: int | None = None) -> None:
        self._file = file
        self._careful_from = careful_from
        self._position = 0
        self.last_read = 0

    def read(self) -> bytes:
        size = _COMPRESSED_CHUNK
        if self._careful_from is not None:
            size = min(size, max(1, self._careful_from - self._position))
        data = self._file.read(size)
        self.last_read = self._position
        self._position += len(data)
        return data


def _decompressed(source: _Source, codec: str) -> Iterator[bytes]:
    _, new_decompressor = _CODECS[codec]
    decompressor = new_decompressor()
    data = source.read()
    while True:
        try:
            chunk = decompressor.decompress(data, BLOCK_BYTES)
        except _ERRORS as error:
            raise _CorruptError(
                f"the {codec} data is corrupt ({error})", source.last_read
            ) from error
        data = b""
        if chunk:
            yield chunk
        if decompressor.eof:
            data = _next_stream(decompressor.unused_data, source)
            if not data:
                return
            decompressor = new_decompressor()
        elif decompressor.needs_input:
            data = source.read()
            if not data:
                raise DamagedInputError(f"the {codec} data is cut off")


def _next_stream(rest: bytes, source: _Source) -> bytes:
    # Files may be padded with zero bytes, which begin no stream and hold no data.
    while True:
        rest = rest.lstrip(b"\x00")
        if rest:
            return rest
        rest = source.read()
        if not rest:
            return b""


def _in_blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Joins small chunks, those before an error included: a block costs more than a chunk."""
    held: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            if size + len(chunk) > BLOCK_BYTES:
                yield b"".join(held)
                held, size = [], 0
            held.append(chunk)
            size += len(chunk)
    except (DamagedInputError, OSError):
        if held:
            yield b"".join(held)
        raise
    if held:
        yield b"".join(held)


def _behind(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """What comes behind the first `size` bytes, up to an error."""
    try:
        for chunk in chunks:
            if len(chunk) > size:
                yield chunk[size:]
            size = max(0, size - len(chunk))
    except DamagedInputError:
        return
