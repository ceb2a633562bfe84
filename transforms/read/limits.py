"""Limits of reading, in bytes."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits that the user sets, in bytes.

    Attributes:
        max_event_bytes: Longest line, message, or job of a page.
        max_document_bytes: Largest file that is one document, after decompression.
    """

    max_event_bytes: int = 10 * MB
    max_document_bytes: int = 256 * MB


RANGE_BYTES = 64 * MIB
"""Largest range of a file. On a cluster, each range may become an output file."""

LEAST_RANGE_BYTES = 16 * MIB
"""Smallest range of a file that is split into several."""

PEEK_BYTES = 1 * MIB
"""Length of the start of a file, after decompression, that decides its format."""

HELD_LETTER_BYTES = 64 * MIB
"""Memory for dead letters whose payloads must be read again from their sources."""

XZ_MEMORY_BYTES = 136 * MIB
"""Memory for decompressing xz. It allows a window of 128 MiB, the default limit of Zstandard."""
