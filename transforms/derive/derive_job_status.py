"""DeriveJobStatus: coerces each event's source value and derives its status, a block at a time.

The rules run once for each distinct input of a block, and what they said is looked up by index.
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
"""The status of a job: in a block a dictionary, in the order of the output's schema."""

_Sent = tuple[str | None, str | None, str]
"""What was sent of a status: STATUS_TEXT."""


def derive_batch(events: pa.RecordBatch, deriver: Deriver) -> pa.RecordBatch:
    """Replaces the column `job_status` by the derived one, and adds `mapping_fingerprint`.

    Args:
        events: Has the columns provider, event_type, legacy_status and job_status of ParseEvents.
        deriver: Knows the rules.
    """
    status = events.column("job_status")
    sent: list[_Sent] = list(
        zip(*(column.to_pylist() for column in status.dictionary.flatten()), strict=True)
    )
    words = [events.column(name) for name in ("provider", "event_type", "legacy_status")]
    providers, event_types, legacy_statuses = (each.dictionary.to_pylist() for each in words)
    # One number says which values a row combines; each combination is derived once.
    shape = [len(each.dictionary) for each in (status, *words)]
    codes = np.ravel_multi_index([each.indices.to_numpy() for each in (status, *words)], shape)
    combinations, indices = np.unique(codes, return_inverse=True)
    # Many combinations have the same result.
    results: dict[tuple[int, Derived], int] = {}
    places = []
    for sent_index, provider, event_type, legacy_status in zip(
        *(each.tolist() for each in np.unravel_index(combinations, shape)), strict=True
    ):
        given_value, source_json, source_type = sent[sent_index]
        derived = deriver(
            providers[provider],
            event_types[event_type],
            given_value,
            source_type,
            source_json,
            legacy_statuses[legacy_status],
        )
        places.append(results.setdefault((sent_index, derived), len(results)))
    distinct = _statuses(status.dictionary, results)
    derived_status = pa.DictionaryArray.from_arrays(
        pa.array(np.array(places, np.int32)[indices]), distinct
    )
    fingerprint = constant(deriver.mapping.fingerprint, events.num_rows)
    batch = events.set_column(
        events.schema.get_field_index("job_status"), "job_status", derived_status
    )
    return batch.append_column("mapping_fingerprint", fingerprint)


def _statuses(sent: pa.StructArray, results: Collection[tuple[int, Derived]]) -> pa.StructArray:
    indices = pa.array([index for index, _ in results], pa.int32())
    columns = dict(zip(STATUS_TEXT.names, sent.take(indices).flatten(), strict=True))
    for place, name in enumerate(Derived._fields):
        columns[name] = strings([derived[place] for _, derived in results])
    return pa.StructArray.from_arrays(
        [columns[each] for each in JOB_STATUS.names], fields=list(JOB_STATUS)
    )


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
        return blocks | beam.ParDo(self._do_fn).with_output_types(EventBlock)
