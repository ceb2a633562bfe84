"""The transforms of this package for Beam YAML, whose elements are rows.

Beam YAML reads the types of the options from the annotations, which therefore must not be strings.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NoReturn, Optional

import apache_beam as beam
from apache_beam.typehints.schemas import named_fields_from_element_type

from schemas.errors import InputError, UsageError
from transforms.blocks import RawBlock
from transforms.normalize.normalize_job_status import NormalizeJobStatus
from transforms.normalize.records import DeadLetter
from transforms.normalize.write_job_status import WriteJobStatus
from transforms.parse import DEFAULT_EVENT_TYPES


class NormalizeRows(beam.PTransform):
    """Derives the status of the job event in a field of each row.

    Without `error_handling`, the first error fails the pipeline.

    Args:
        field: The field with the events, as text or bytes. Not needed if the rows have one field,
            as those of ReadFromText and of ReadFromPubSub have.
        mapping: The path of a mapping file.
        provider: The provider of events that do not name theirs.
        event_types: Shell-style patterns of the wanted events.
        error_handling: The name of the output with the errors.
    """

    def __init__(
        self,
        *,
        field: Optional[str] = None,
        mapping: Optional[str] = None,
        provider: Optional[str] = None,
        event_types: Optional[list[str]] = None,
        error_handling: Optional[Mapping[str, str]] = None,
    ) -> None:
        super().__init__()
        self._field = field
        self._errors = _output_of(error_handling)
        self._normalize = NormalizeJobStatus(
            mapping=mapping or (),
            provider=provider,
            event_types=event_types or DEFAULT_EVENT_TYPES,
        )

    def expand(self, rows: beam.PCollection) -> dict[str, beam.PCollection]:
        elements = rows
        if rows.element_type != RawBlock:
            name, kind = _field_of(rows.element_type, self._field)
            elements = rows | f"Take {name}" >> beam.Map(attrgetter(name)).with_output_types(kind)
        events, errors = elements | "NormalizeJobStatus" >> self._normalize
        if self._errors is None:
            errors | "RaiseErrors" >> beam.Map(_raise)
            return {"good": events}
        return {"good": events, self._errors: errors}


def _output_of(error_handling: Optional[Mapping[str, str]]) -> Optional[str]:
    """Returns the name of the output with the errors, or None."""
    if error_handling is None:
        return None
    if set(error_handling) != {"output"}:
        raise UsageError(
            "NormalizeJobStatus: error_handling needs the name of an output, and nothing else",
            "config: {error_handling: {output: errors}}",
        )
    return error_handling["output"]


def _field_of(element_type: Any, given: Optional[str]) -> tuple[str, Any]:
    """Returns the name and the type of the field with the events."""
    fields = dict(named_fields_from_element_type(element_type))
    name = next(iter(fields)) if given is None and len(fields) == 1 else given
    if name is None or name not in fields:
        raise UsageError(
            f"NormalizeJobStatus: the rows have the fields {', '.join(fields)}",
            "name the field with the events: config: {field: NAME}",
        )
    return name, fields[name]


def _raise(error: DeadLetter) -> NoReturn:
    raise InputError(
        f"NormalizeJobStatus: {error.error_code}: {error.error_message}",
        "to keep errors apart: config: {error_handling: {output: errors}}",
    )


class WriteInputs(beam.PTransform):
    """Writes events and errors as Avro, as `job-status run` does.

    Its inputs are named `events` and `errors`.

    Args:
        output: A directory on any filesystem that Beam supports.
        window_seconds: Seconds between the commits of an unbounded collection.
    """

    def __init__(self, *, output: str, window_seconds: int = 60) -> None:
        super().__init__()
        self._write = WriteJobStatus(output, window_seconds=window_seconds)

    def expand(self, inputs: dict[str, beam.PCollection]) -> beam.PCollection:
        return (inputs["events"], inputs["errors"]) | self._write
