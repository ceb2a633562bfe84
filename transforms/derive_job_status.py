"""DeriveJobStatus: coerces each event's source value and derives its status, a block at a time.

The rules run once for each distinct input of a block, and what they said is looked up by index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import apache_beam as beam
import numpy as np
import pyarrow as pa

from schemas.mapping import Mapping
from transforms.blocks import EventBlock, isolating
from transforms.derive import Deriver
from transforms.parse_events import constant

STEP = "DeriveJobStatus"

JOB_STATUS = pa.struct(
    [
        ("value", pa.string()),
        ("source_value", pa.string()),
        ("source_value_json", pa.string()),
        ("source_value_type", pa.string()),
        ("given_value", pa.string()),
        ("derived_from", pa.string()),
        ("derivation", pa.string()),
    ]
)
"""The status of a job: in a block a dictionary, in the order of the output's schema."""


def derive_batch(events: pa.RecordBatch, deriver: Deriver) -> pa.RecordBatch:
    """Replaces the column `job_status` by the derived one, and adds `mapping_fingerprint`.

    Args:
        events: Has the columns provider, event_type, legacy_status and job_status of ParseEvents.
        deriver: Knows the rules.
    """
    status = events.column("job_status")
    sent: list[list[str | None]] = [column.to_pylist() for column in status.dictionary.flatten()]
    known: list[list[str | None]] = []
    codes = status.indices.to_numpy().astype(np.int64)
    for name in ("provider", "event_type", "legacy_status"):
        column = events.column(name)
        known.append(column.dictionary.to_pylist())
        codes = codes * len(known[-1]) + column.indices.to_numpy()
    # One number says which values a row combines; each combination is derived once.
    combinations, indices = np.unique(codes, return_inverse=True)
    # Many combinations have the same result.
    results: dict[tuple[str | None, ...], int] = {}
    places = []
    for code in combinations.tolist():
        code, legacy_index = divmod(code, len(known[2]))
        code, event_index = divmod(code, len(known[1]))
        sent_index, provider_index = divmod(code, len(known[0]))
        given_value, source_json, source_type = (column[sent_index] for column in sent)
        assert source_type is not None
        derived = deriver(
            known[0][provider_index],
            known[1][event_index],
            given_value,
            source_type,
            source_json,
            known[2][legacy_index],
        )
        row = (
            derived.value,
            derived.source_value,
            source_json,
            source_type,
            given_value,
            derived.derived_from,
            derived.derivation,
        )
        places.append(results.setdefault(row, len(results)))
    derived_columns = zip(*results, strict=True) if results else [[] for _ in JOB_STATUS]
    distinct = pa.StructArray.from_arrays(
        [pa.array(each, pa.string()) for each in derived_columns], fields=list(JOB_STATUS)
    )
    derived_status = pa.DictionaryArray.from_arrays(
        pa.array(np.array(places, np.int32)[indices]), distinct
    )
    fingerprint = constant(deriver.mapping.fingerprint, events.num_rows)
    batch = events.set_column(
        events.schema.get_field_index("job_status"), "job_status", derived_status
    )
    return batch.append_column("mapping_fingerprint", fingerprint)


class _DeriveJobStatus(beam.DoFn):
    def __init__(self, mapping: Mapping) -> None:
        self._deriver = Deriver(mapping)

    def derive(self, block: EventBlock) -> EventBlock:
        return replace(block, events=derive_batch(block.events, self._deriver))

    def process(self, block: EventBlock) -> Iterator[EventBlock]:
        return isolating(STEP, self.derive, block)


class DeriveJobStatus(beam.PTransform):
    """Derives the status of each job event of each block.

    Args:
        mapping: The tables in force.

    Returns:
        A collection of EventBlock, with the columns of JOB_STATUS.
    """

    def __init__(self, mapping: Mapping) -> None:
        super().__init__()
        self._do_fn = _DeriveJobStatus(mapping)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | beam.ParDo(self._do_fn)
