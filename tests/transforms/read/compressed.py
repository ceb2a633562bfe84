"""Compressors for the tests, by the suffix of a file's name."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable

from backports import zstd


def zstandard(data: bytes) -> bytes:
    """Compresses with a checksum, as the command line tool does. Without it, no reader can detect
    a change inside a frame."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard,
}
"""Compressors by suffix."""

COMPRESS_OR_PLAIN: dict[str, Callable[[bytes], bytes]] = {"": bytes, **COMPRESS}
"""Compressors by suffix; an empty suffix leaves the data plain."""
