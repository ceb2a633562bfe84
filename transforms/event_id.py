"""The identity of an event: a digest over what it says, the same whenever it is sent again."""

from __future__ import annotations

from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from transforms.framing import Framing, framed

_PERSON = b"job-status/1"

IDENTITY_FIELDS = (
    "account_id",
    "provider",
    "event_type",
    "event_date",
    "job_id",
    "remote_job_id",
    "created_at",
    "updated_at",
    "job_status_json",
    "legacy_status",
)
"""The columns that make the identity, in this order. When it was sent plays no part."""

_FRAMING = Framing(null=b"\x00", prefix=lambda length: b"\x01" + length.to_bytes(4, "big"))


def event_ids(columns: dict[str, pa.Array], payloads: list[bytes]) -> pa.StringArray:
    """Computes the identities of the rows.

    Each field is byte 0 where it is missing or null, else byte 1, its length in UTF-8 as 4 bytes
    big-endian, and its UTF-8. The payload's bytes follow where neither id says which job it is:
    so two different events never share an identity by rule.

    Args:
        columns: String columns, among them IDENTITY_FIELDS.
        payloads: The text of each row.

    Returns:
        32 hex digits a row: BLAKE2b-128, personalised.
    """
    pieces = [piece for name in IDENTITY_FIELDS for piece in framed(columns[name], _FRAMING)]
    texts = pc.binary_join_element_wise(*pieces, b"").to_pylist()
    nameless = pc.and_(columns["job_id"].is_null(), columns["remote_job_id"].is_null())
    if nameless.true_count:
        for row, is_nameless in enumerate(nameless.to_pylist()):
            if is_nameless:
                texts[row] += payloads[row]
    digests = [blake2b(text, digest_size=16, person=_PERSON).hexdigest() for text in texts]
    return pa.array(digests, pa.string())
