"""DeriveJobStatus: coerces each event's source value and derives its status.

The rules run once for each distinct combination of the fields that decide on a status.
"""

from __future__ import annotations

from dataclasses import replace

import apache_beam as beam

from schemas.mapping import Mapping
from transforms.blocks import NO_STATUS, Combination, EventBlock, JobStatus, log_bug
from transforms.derive.rules import Deriver

STEP = "DeriveJobStatus"

_FAILED = JobStatus(None, None, *NO_STATUS[1:], None, "nothing", "absent")
"""Stands for the status of a combination whose rules raised an exception."""


def job_status(combination: Combination, deriver: Deriver) -> JobStatus:
    """Derives the status of a combination."""
    provider, event_type, legacy_status, record_type, status = combination
    given_value, source_json, source_type = status
    value, source_value, derived_from, derivation = deriver(
        provider, event_type, given_value, source_type, source_json, legacy_status, record_type
    )
    return JobStatus(
        value, source_value, source_json, source_type, given_value, derived_from, derivation
    )


class StatusDeriver:
    """Derives the statuses of blocks; keeps those of the combinations that blocks share."""

    def __init__(self, deriver: Deriver) -> None:
        self._deriver = deriver
        self._start([])

    def _start(self, combinations: list[Combination]) -> None:
        self._combinations = combinations
        self._statuses: list[JobStatus] = []
        self._errors: dict[int, str] = {}

    def derive(self, block: EventBlock) -> EventBlock:
        """Derives the statuses of a block. An event that triggers a bug becomes a dead letter."""
        if block.combinations is not self._combinations:
            self._start(block.combinations)
        for number in range(len(self._statuses), len(block.combinations)):
            try:
                status = job_status(block.combinations[number], self._deriver)
            except Exception as error:
                log_bug(STEP, error)
                status, self._errors[number] = _FAILED, type(error).__name__
            self._statuses.append(status)
        for number, message in self._errors.items():
            which = block.events.combinations == number
            if which.any():
                block = block.reject(which, "INTERNAL", STEP, message)
        return replace(
            block,
            statuses=self._statuses,
            mapping_fingerprint=self._deriver.mapping.fingerprint,
        )


class _DeriveJobStatus(beam.DoFn):
    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping

    def setup(self) -> None:
        self._deriver = StatusDeriver(Deriver(self._mapping))

    def process(self, block: EventBlock) -> list[EventBlock]:
        return [self._deriver.derive(block)]


class DeriveJobStatus(beam.PTransform):
    """Derives the status of each job event by the tables of a mapping.

    Returns a collection of EventBlock with `statuses`.
    """

    def __init__(self, mapping: Mapping) -> None:
        super().__init__()
        self._derive = beam.ParDo(_DeriveJobStatus(mapping))

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | self._derive.with_output_types(EventBlock)
