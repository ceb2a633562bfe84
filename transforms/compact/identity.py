"""The identities of records, by which duplicates are found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.avro import RecordName
from transforms.compact.avro_fields import Records

Words = npt.NDArray[np.uint64]

_MIX = np.uint64(0x9E3779B97F4A7C15)


def identities(record: RecordName, records: Records) -> tuple[Words, Words]:
    """Returns the identity of each record, as two words of 64 bits."""
    name = "event_id" if record == "job_status_event" else "dead_letter_id"
    digests = bytes.fromhex(b"".join(records.texts(name).view(pa.binary()).to_pylist()).decode())
    words = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)
    return words[:, 0], words[:, 1]


def spread(first_words: Words, seed: int) -> Words:
    """Returns 32 bits for each identity. Without the seed, nobody can predict them."""
    return ((first_words ^ np.uint64(seed)) * _MIX) >> np.uint64(32)
