"""Compressed input, told by its first bytes, and never cut short in silence.

The usual readers treat bytes behind the first good stream as rubbish to skip, or the end of the
file as the end of the data. Here a file is whole only when every stream in it ends where the
format says and nothing but padding follows.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

from backports import zstd
from isal import igzip_lib

from transforms.blocks import BLOCK_BYTES

MAGIC_BYTES = 6
"""How many first bytes tell every codec."""

_COMPRESSED_CHUNK = 256 << 10


class DamagedInputError(Exception):
    """An input that ends too early or is not what it says; the text says how."""


class _Decompressor(Protocol):
    """What bz2, lzma, igzip and zstd have in common."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _gzip() -> _Decompressor:
    return cast(_Decompressor, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))


def _xz() -> _Decompressor:
    return cast(_Decompressor, lzma.LZMADecompressor(format=lzma.FORMAT_XZ))


_CODECS: dict[str, tuple[bytes, Callable[[], _Decompressor]]] = {
    "gzip": (b"\x1f\x8b", _gzip),
    "bzip2": (b"BZh", cast("Callable[[], _Decompressor]", bz2.BZ2Decompressor)),
    "xz": (b"\xfd7zXZ\x00", _xz),
    "zstandard": (b"\x28\xb5\x2f\xfd", cast("Callable[[], _Decompressor]", zstd.ZstdDecompressor)),
}

_SUFFIXES = {
    ".gz": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zst": "zstandard",
}

_ERRORS = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zstd.ZstdError)


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
        if path.endswith(suffix):
            raise DamagedInputError(f"the name says {name}, but the content does not begin like it")
    return None


def decompress(file: BinaryIO, codec: str) -> Iterator[bytes]:
    """Decompresses a file of one stream or several, in chunks of at most a block.

    Args:
        file: Opened at its start.
        codec: As `codec_of` told it.

    Yields:
        Chunks of 1 to BLOCK_BYTES bytes, so that a small file which unpacks to an endless one
        takes no more memory than any other.

    Raises:
        DamagedInputError: Cut off, corrupt, or followed by what is neither a stream nor padding;
            raised only when everything before the damage has been yielded.
    """
    _, new_decompressor = _CODECS[codec]
    decompressor = new_decompressor()
    data = _read(file)
    while True:
        try:
            chunk = decompressor.decompress(data, BLOCK_BYTES)
        except _ERRORS as error:
            raise DamagedInputError(f"the {codec} data is corrupt") from error
        data = b""
        if chunk:
            yield chunk
        if decompressor.eof:
            data = _next_stream(decompressor.unused_data, file)
            if not data:
                return
            decompressor = new_decompressor()
        elif decompressor.needs_input:
            data = _read(file)
            if not data:
                raise DamagedInputError(f"the {codec} data is cut off")


def _next_stream(rest: bytes, file: BinaryIO) -> bytes:
    # gzip and xz files may be padded with zero bytes; no stream begins with one.
    while True:
        rest = rest.lstrip(b"\x00")
        if rest:
            return rest
        rest = _read(file)
        if not rest:
            return b""


def _read(file: BinaryIO) -> bytes:
    return file.read(_COMPRESSED_CHUNK)
