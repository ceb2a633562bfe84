"""The size of a block, for modules that need nothing else of a block: it imports no Arrow."""

from __future__ import annotations

BLOCK_BYTES = 4 << 20
"""Size of a block, in bytes of payload. Measured: with 1 MiB, an event costs a twentieth more:
fewer events share the costs of a block, such as its ledger. With 8 MiB it costs the same."""

BLOCK_ROWS = 10_000
"""Most payloads of a block. Tiny payloads take many times their own size in memory."""
