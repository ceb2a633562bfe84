"""EncodeAvro: encodes the records and the dead letters of a block, and makes its ledger.

Records are encoded before the sink, so that the sink only appends valid bytes: a value that stops a
writer in the middle makes the whole file unreadable.
"""

from __future__ import annotations

from typing import NamedTuple

import apache_beam as beam
from isal import isal_zlib

from schemas.avro import (
    Codec,
    avro_encoder,
    avro_string,
    avro_text,
    listed_values,
    record_schema,
)
from transforms.blocks import AvroBlock, Combination, EncodedBlock, EventBlock, JobStatus, log_bug
from transforms.encode.block_ledger import BlockTallies
from transforms.encode.dead_letters import PayloadPolicy, dead_letters, encoded_dead_letters
from transforms.kernel import RecordEncoder

STEP = "EncodeAvro"

_RAW_DEFLATE = -15


class Violation(NamedTuple):
    """The reason why the events of a combination cannot be written."""

    code: str
    message: str


class BlockEncoder:
    """Encodes blocks; the pure part of EncodeAvro, with the same arguments.

    What depends only on the combination of an event is encoded once and kept.
    """

    def __init__(self, codec: Codec, payload_policy: PayloadPolicy, max_payload_bytes: int) -> None:
        self._codec = codec
        self._payload_policy = payload_policy
        self._max_payload_bytes = max_payload_bytes
        self._start([])

    def _start(self, statuses: list[JobStatus]) -> None:
        self._statuses = statuses
        self._count = 0
        self._violations: dict[int, Violation] = {}
        self._records = RecordEncoder()
        self._tallies = BlockTallies()

    def encode(self, block: EventBlock) -> EncodedBlock:
        """Encodes a block. An event that violates the schema becomes a dead letter."""
        statuses = block.statuses or []
        if statuses is not self._statuses:
            self._start(statuses)
        fingerprint = avro_string(block.mapping_fingerprint)
        for number in range(self._count, len(statuses)):
            self._add(number, block.combinations[number], fingerprint)
        for number, (code, message) in self._violations.items():
            which = block.events.combinations == number
            if which.any():
                block = block.reject(which, code, STEP, message)
        return EncodedBlock(
            self._encoded_records(block) if len(block.events) else None,
            self._encoded_letters(block) if block.rejections else None,
            self._tallies.ledger_of(block),
        )

    def _add(self, number: int, combination: Combination, fingerprint: bytes) -> None:
        """Encodes what the records of a combination have in common."""
        status = self._statuses[number]
        self._count += 1
        self._tallies.add(combination, status)
        fragment = b""
        try:
            fragment = _fragment(combination.legacy_status, status, fingerprint)
        except Exception as error:
            violation = find_violation(status)
            if violation is None:
                log_bug(STEP, error)
                violation = Violation("INTERNAL", type(error).__name__)
            self._violations[number] = violation
        self._records.add_fragment(fragment)

    def _encoded_records(self, block: EventBlock) -> AvroBlock:
        records = self._records.encode(block.events, block.source)
        return AvroBlock(len(block.events), compressed(records, self._codec))

    def _encoded_letters(self, block: EventBlock) -> AvroBlock:
        letters = dead_letters(
            block.source, block.rejections, self._payload_policy, self._max_payload_bytes
        )
        return AvroBlock(len(letters), compressed(encoded_dead_letters(letters), self._codec))


def compressed(body: bytes | memoryview, codec: Codec) -> bytes:
    """Compresses the records of a block for an Avro file."""
    if codec == "deflate":
        return isal_zlib.compress(body, wbits=_RAW_DEFLATE)
    return bytes(body)


_STATUS_FIELDS = next(
    field["type"]["fields"]
    for field in record_schema("job_status_event").parsed["fields"]
    if field["name"] == "job_status"
)
_CHECKS = [
    (name, isinstance(field["type"], list), listed_values(field))
    for name, field in zip(JobStatus._fields, _STATUS_FIELDS, strict=True)
]
"""The name of each field of a status, whether it may be null, and its closed list of values."""

(
    _encode_value,
    _encode_source_value,
    _encode_source_value_json,
    _encode_source_value_type,
    _encode_given_value,
    _encode_derived_from,
    _encode_derivation,
) = map(avro_encoder, _STATUS_FIELDS)
"""These raise an exception on a violation."""


def find_violation(status: JobStatus) -> Violation | None:
    """Finds the first field of a status that violates the schema.

    A violation is a null that the field does not allow, or a value outside the field's closed list.
    """
    for value, (name, may_be_null, values) in zip(status, _CHECKS, strict=True):
        path = f"job_status.{name}"
        if value is None:
            if not may_be_null:
                message = f"{path} is null, which the schema does not allow"
                return Violation("SCHEMA_VIOLATION", message)
        elif values is not None and value not in values:
            message = f"{path} is not one of the values that the schema lists"
            return Violation("SCHEMA_VIOLATION", message)
    return None


def _fragment(legacy_status: str | None, status: JobStatus, fingerprint: bytes) -> bytes:
    """Encodes the fields of a record from `legacy_status` to `mapping_fingerprint`."""
    # A loop over the fields would take twice as long.
    return b"".join(
        (
            avro_text(legacy_status),
            _encode_value(status.value),
            _encode_source_value(status.source_value),
            _encode_source_value_json(status.source_value_json),
            _encode_source_value_type(status.source_value_type),
            _encode_given_value(status.given_value),
            _encode_derived_from(status.derived_from),
            _encode_derivation(status.derivation),
            fingerprint,
        )
    )


class _EncodeAvro(beam.DoFn):
    def __init__(self, codec: Codec, payload_policy: PayloadPolicy, max_payload_bytes: int) -> None:
        self._settings = codec, payload_policy, max_payload_bytes

    def setup(self) -> None:
        self._encoder = BlockEncoder(*self._settings)

    def process(self, block: EventBlock) -> list[EncodedBlock]:
        return [self._encoder.encode(block)]


class EncodeAvro(beam.PTransform):
    """Encodes blocks of derived events as Avro.

    Args:
        codec: Codec of the Avro files: deflate or null.
        payload_policy: Whether dead letters keep their payloads, only the digests, or neither.
        max_payload_bytes: Dead letters keep only the head of a longer payload.

    Returns:
        A collection of EncodedBlock.
    """

    def __init__(
        self,
        *,
        codec: Codec = "deflate",
        payload_policy: PayloadPolicy = "full",
        max_payload_bytes: int = 10_000_000,
    ) -> None:
        super().__init__()
        self._encode = beam.ParDo(_EncodeAvro(codec, payload_policy, max_payload_bytes))

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | self._encode.with_output_types(EncodedBlock)
