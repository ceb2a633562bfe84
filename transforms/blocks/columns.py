"""The columns of an EventBlock, and helpers that make columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

STATUS_TEXT = pa.struct(
    [
        ("given_value", pa.string()),
        ("source_value_json", pa.string()),
        ("source_value_type", pa.string()),
    ]
)
"""The sent parts of a status. A block holds it as a dictionary: few statuses are distinct."""

TIMESTAMP = pa.timestamp("us", "UTC")
SHARED_TEXT = pa.dictionary(pa.int32(), pa.string())
"""Text with few distinct values in a block; null is one of the dictionary's values."""

PARSED = pa.schema(
    [
        ("event_id", pa.string()),
        ("record_type", SHARED_TEXT),
        ("event_type", SHARED_TEXT),
        ("event_time", TIMESTAMP),
        ("project_id", SHARED_TEXT),
        ("account_id", SHARED_TEXT),
        ("provider", SHARED_TEXT),
        ("job_id", pa.string()),
        ("remote_job_id", pa.string()),
        ("posting_id", pa.string()),
        ("remote_posting_id", pa.string()),
        ("job_created_at", TIMESTAMP),
        ("job_updated_at", TIMESTAMP),
        ("legacy_status", SHARED_TEXT),
        ("job_status", pa.dictionary(pa.int32(), STATUS_TEXT)),
        ("source", SHARED_TEXT),
        ("source_offset", pa.int64()),
        ("message_id", pa.string()),
        ("publish_time", TIMESTAMP),
    ]
)
"""The columns of the blocks that ParseEvents makes."""


def constant(value: str, count: int) -> pa.DictionaryArray:
    """Returns a column with the same value in every row."""
    zeros = pa.array(np.zeros(count, np.int32))
    return pa.DictionaryArray.from_arrays(zeros, pa.array([value], pa.string()))


def strings(values: Sequence[str | None]) -> pa.StringArray:
    """Returns a column of text."""
    return pa.array(values, pa.string())
