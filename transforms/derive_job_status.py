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
    sent = status.dictionary.to_pylist()
    codes = status.indices.to_numpy().astype(np.int64)
    values = []
    for name in ("provider", "event_type", "legacy_status"):
        encoded = events.column(name).dictionary_encode(null_encoding="encode")
        distinct = encoded.dictionary.to_pylist()
        codes = codes * len(distinct) + encoded.indices.to_numpy()
        values.append(distinct)
    combinations, indices = np.unique(codes, return_inverse=True)
    providers, event_types, legacy_statuses = values
    rows = []
    for code in combinations.tolist():
        code, legacy_index = divmod(code, len(legacy_statuses))
        code, event_index = divmod(code, len(event_types))
        sent_index, provider_index = divmod(code, len(providers))
        text = sent[sent_index]
        derived = deriver(
            providers[provider_index],
            event_types[event_index],
            text["given_value"],
            text["source_value_type"],
            text["source_value_json"],
            legacy_statuses[legacy_index],
        )
        rows.append(
            {
                "value": derived.value,
                "source_value": derived.source_value,
                "source_value_json": text["source_value_json"],
                "source_value_type": text["source_value_type"],
                "given_value": text["given_value"],
                "derived_from": derived.derived_from,
                "derivation": derived.derivation,
            }
        )
    derived_status = pa.DictionaryArray.from_arrays(
        pa.array(indices.astype(np.int32)), pa.array(rows, JOB_STATUS)
    )
    fingerprint = constant(deriver.mapping.fingerprint, events.num_rows)
    columns = dict(zip(events.schema.names, events.columns, strict=True))
    columns |= {"job_status": derived_status, "mapping_fingerprint": fingerprint}
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


class _DeriveJobStatus(beam.DoFn):  # type: ignore[misc]
    def __init__(self, mapping: Mapping) -> None:
        self._deriver = Deriver(mapping)

    def derive(self, block: EventBlock) -> EventBlock:
        return replace(block, events=derive_batch(block.events, self._deriver))

    def process(self, block: EventBlock) -> Iterator[EventBlock]:
        return isolating(STEP, self.derive, block)


class DeriveJobStatus(beam.PTransform):  # type: ignore[misc]
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
