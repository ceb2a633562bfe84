"""Computes the identity of an event: a digest that is the same each time the event is sent."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.blocks import Framing, framed, joined

_START = blake2b(digest_size=16, person=b"job-status/1")

IDENTITY_FIELDS = (
    "record_type",
    "account_id",
    "provider",
    "event_type",
    "event_date",
    "job_id",
    "remote_job_id",
    "posting_id",
    "remote_posting_id",
    "created_at",
    "updated_at",
    "job_status_json",
    "legacy_status",
)
"""The columns of the identity, in this order.

The provider is that of the event, never a default from the options of a run: the same event has the
same identity in every run. The time of sending is not part of it.
"""

_IDS = ("job_id", "remote_job_id", "posting_id", "remote_posting_id")

_FRAMING = Framing.of(null=b"\x00", prefix=lambda length: b"\x01" + length.to_bytes(4, "big"))
_HEX_DIGITS = 32


def event_ids(columns: dict[str, pa.Array], payloads: list[bytes]) -> pa.StringArray:
    """Computes the identities of the rows.

    A missing or null field adds byte 0. Another field adds byte 1, its UTF-8 length as 4 bytes
    big-endian, and its UTF-8. An event whose four ids of a job and a posting are all missing, null
    or empty also adds the bytes of its payload, so that the rule never gives two different events
    one identity. The columns are strings or dictionaries of strings.

    Returns:
        32 hex digits per row: BLAKE2b-128, personalised.
    """
    parts = [part for name in IDENTITY_FIELDS for part in framed(columns[name], _FRAMING)]
    texts = joined(parts, len(payloads)).to_numpy(zero_copy_only=False).tolist()
    for row in _rows_without_ids([columns[name] for name in _IDS]):
        texts[row] += payloads[row]
    digests = []
    for text in texts:
        # A copy costs half as much as a new hash with its parameters.
        identity = _START.copy()
        identity.update(text)
        digests.append(identity.digest())
    # All ids have the same length, so the joined ids are the data buffer of the column.
    data = pa.py_buffer(b"".join(digests).hex().encode())
    ends = pa.py_buffer(np.arange(0, (len(digests) + 1) * _HEX_DIGITS, _HEX_DIGITS, dtype=np.int32))
    return pa.StringArray.from_buffers(len(digests), ends, data)


def _rows_without_ids(columns: list[pa.StringArray]) -> Sequence[int]:
    """Returns the rows in which every column is null or empty."""
    lacking = np.ones(len(columns[0]), bool)
    for column in columns:
        lengths = pc.binary_length(column).fill_null(0).to_numpy()
        lacking &= lengths == 0
        if not lacking.any():
            return ()
    found: list[int] = np.flatnonzero(lacking).tolist()
    return found
