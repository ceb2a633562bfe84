"""DeriveJobStatus: coerces each event's source value and derives its status, one block at a time.

The rules run once for each distinct input of a block; the rows get the results by index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import apache_beam as beam
import numpy as np
import pyarrow as pa

from schemas.mapping import Mapping
from transforms.blocks import STATUS_TEXT, EventBlock, constant, isolating, strings
from transforms.derive.rules import Derived, Deriver

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
"""The status of a job, in the order of the output's schema; in a block, a dictionary of these."""


def derive_batch(events: pa.RecordBatch, deriver: Deriver) -> pa.RecordBatch:
    """Replaces the column `job_status` by the derived one, and adds `mapping_fingerprint`.

    The events need the columns provider, event_type, legacy_status, record_type and job_status of
    ParseEvents.
    """
    status = events.column("job_status")
    raw_statuses: list[tuple[str | None, str | None, str]] = list(
        zip(*(column.to_pylist() for column in status.dictionary.flatten()), strict=True)
    )
    names = ("provider", "event_type", "legacy_status", "record_type")
    others = [events.column(name) for name in names]
    providers, event_types, legacy_statuses, record_types = (
        each.dictionary.to_pylist() for each in others
    )
    # One number encodes the combination of values in a row; each combination is derived once.
    shape = [len(each.dictionary) for each in (status, *others)]
    codes = np.ravel_multi_index([each.indices.to_numpy() for each in (status, *others)], shape)
    combinations, indices = np.unique(codes, return_inverse=True)
    # Many combinations have the same result.
    results: dict[tuple[int, Derived], int] = {}
    result_indices = []
    for raw_index, provider, event_type, legacy_status, record_type in zip(
        *(each.tolist() for each in np.unravel_index(combinations, shape)), strict=True
    ):
        given_value, source_json, source_type = raw_statuses[raw_index]
        derived = deriver(
            providers[provider],
            event_types[event_type],
            given_value,
            source_type,
            source_json,
            legacy_statuses[legacy_status],
            record_types[record_type],
        )
        result_indices.append(results.setdefault((raw_index, derived), len(results)))
    derived_status = pa.DictionaryArray.from_arrays(
        pa.array(np.array(result_indices, np.int32)[indices]),
        _statuses(status.dictionary, results),
    )
    batch = events.set_column(
        events.schema.get_field_index("job_status"), "job_status", derived_status
    )
    fingerprint = constant(deriver.mapping.fingerprint, events.num_rows)
    return batch.append_column("mapping_fingerprint", fingerprint)


def _statuses(raw: pa.StructArray, results: Collection[tuple[int, Derived]]) -> pa.StructArray:
    indices = pa.array([index for index, _ in results], pa.int32())
    columns = dict(zip(STATUS_TEXT.names, raw.take(indices).flatten(), strict=True))
    for position, name in enumerate(Derived._fields):
        columns[name] = strings([derived[position] for _, derived in results])
    return pa.StructArray.from_arrays(
        [columns[each] for each in JOB_STATUS.names], fields=list(JOB_STATUS)
    )


def derive_block(block: EventBlock, deriver: Deriver) -> Iterator[EventBlock]:
    """Derives the statuses of a block; a row that triggers a bug becomes a dead letter."""

    def derive(each: EventBlock) -> EventBlock:
        return replace(each, events=derive_batch(each.events, deriver))

    return isolating(STEP, derive, block)


class DeriveJobStatus(beam.PTransform):
    """Derives the status of each job event by the tables of a mapping.

    Returns a collection of EventBlock with a column `job_status` of the type JOB_STATUS.
    """

    def __init__(self, mapping: Mapping) -> None:
        super().__init__()
        self._derive = beam.FlatMap(derive_block, Deriver(mapping))

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | self._derive.with_output_types(EventBlock)
