"""NormalizeJobStatus: events of any form → records with their status, and errors.

The elements of a bundle are collected into blocks, so that the kernel handles many at once. Each
outcome keeps the window and the timestamp of its element.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints import typehints
from apache_beam.utils.windowed_value import WindowedValue

from schemas.errors import UsageError
from schemas.mapping import Mapping
from schemas.version import METRICS_NAMESPACE
from transforms.blocks import Context, EventBlock, RawBlock, Rejection
from transforms.derive import Deriver, StatusDeriver
from transforms.encode import dead_letters
from transforms.normalize.elements import ACCEPTED, ElementBatch
from transforms.normalize.records import DeadLetter, JobStatusEvent
from transforms.normalize.rows import events_of
from transforms.parse import DEFAULT_EVENT_TYPES, EventParser, EventTypes
from transforms.read import ReadLimits
from transforms.storage import load_mappings

_ERRORS = "errors"
_MAX_EVENT_BYTES = ReadLimits().max_event_bytes
_IGNORED = Metrics.counter(METRICS_NAMESPACE, "events_ignored")

_ELEMENT = typehints.normalize(bytes | str | dict[Any, Any])


class NormalizedJobStatus(NamedTuple):
    """The two collections that NormalizeJobStatus returns.

    Attributes:
        events: A collection of JobStatusEvent.
        errors: A collection of DeadLetter.

    Examples:
        >>> import apache_beam as beam
        >>> from transforms import NormalizedJobStatus, NormalizeJobStatus
        >>> with beam.Pipeline() as pipeline:
        ...     jobs = pipeline | beam.Create([{"id": "7", "status": "Open"}, "no JSON"])
        ...     result: NormalizedJobStatus = jobs | NormalizeJobStatus()
        ...     codes = result.errors | beam.Map(lambda error: error.error_code)
        ...     shown = codes | beam.Map(print)
        INVALID_JSON
    """

    events: beam.PCollection[JobStatusEvent]
    errors: beam.PCollection[DeadLetter]


class Normalizer:
    """Normalizes blocks of payloads; the part of NormalizeJobStatus that needs no Beam."""

    def __init__(
        self, mapping: Mapping, event_types: tuple[str, ...], provider: str | None
    ) -> None:
        context = Context(default_provider=provider)
        self._parser = EventParser(EventTypes(event_types), _MAX_EVENT_BYTES, context)
        self._deriver = StatusDeriver(Deriver(mapping))

    def outcomes_of(self, batch: ElementBatch) -> Iterator[tuple[int, JobStatusEvent | DeadLetter]]:
        """Yields the outcomes of a batch, each with the number of its element."""
        for block in self._parse(batch.block()):
            elements, offsets = batch.locate(block.events.rows.offsets)
            yield from zip(elements, events_of(block, None, offsets), strict=True)
            elements, offsets = batch.locate([each.offset for each in block.rejections])
            rejections = [
                each._replace(offset=offset)
                for each, offset in zip(block.rejections, offsets, strict=True)
            ]
            yield from zip(elements, self._letters_of(rejections, None), strict=True)

    def outcomes_of_block(self, block: RawBlock) -> Iterator[JobStatusEvent | DeadLetter]:
        """Yields the outcomes of a block that a reader made."""
        for parsed in self._parse(block):
            yield from events_of(parsed, block.source, parsed.events.rows.offsets.tolist())
            yield from self._letters_of(parsed.rejections, block.source)

    def _parse(self, block: RawBlock) -> Iterator[EventBlock]:
        for parsed in self._parser.parse(block):
            _IGNORED.inc(sum(parsed.ignored.values()))
            yield self._deriver.derive(parsed)

    def _letters_of(self, rejections: list[Rejection], source: str | None) -> Iterator[DeadLetter]:
        letters = dead_letters(source, rejections, "full", _MAX_EVENT_BYTES)
        return (DeadLetter(**each) for each in letters)


class _Batch(beam.DoFn):
    """Collects the elements of each bundle in batches.

    It is a step of its own because Beam loses what a DoFn outputs in finish_bundle if the next step
    is one that gets batches from Beam, such as WriteToParquet.
    """

    def start_bundle(self) -> None:
        self._start_batch()

    def process(
        self,
        element: Any,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterable[WindowedValue]:
        self._batch.add(element, (timestamp, (window,)))
        return self._outputs() if self._batch.is_full else ()

    def finish_bundle(self) -> Iterable[WindowedValue]:
        return self._outputs()

    def _start_batch(self) -> None:
        self._batch = ElementBatch(_MAX_EVENT_BYTES)

    def _outputs(self) -> Iterable[WindowedValue]:
        batch = self._batch
        self._start_batch()
        if not batch.places:
            return []
        # The earliest place holds back the watermark until all elements are normalized.
        return [WindowedValue(batch, *min(batch.places, key=itemgetter(0)))]


class _Normalize(beam.DoFn):
    """Normalizes batches of elements, and blocks that a reader made."""

    def __init__(self, *settings: Any) -> None:
        self._settings = settings

    def setup(self) -> None:
        self._normalizer = Normalizer(*self._settings)

    def process(self, batch: ElementBatch | RawBlock) -> Iterator[Any]:
        if isinstance(batch, RawBlock):
            yield from map(_tagged, self._normalizer.outcomes_of_block(batch))
            return
        for number, outcome in self._normalizer.outcomes_of(batch):
            yield _tagged(outcome, WindowedValue(outcome, *batch.places[number]))


def _tagged(outcome: JobStatusEvent | DeadLetter, value: Any = None) -> Any:
    """Returns the output of an outcome: the value, or else the outcome itself."""
    value = outcome if value is None else value
    return value if isinstance(outcome, JobStatusEvent) else TaggedOutput(_ERRORS, value)


class NormalizeJobStatus(beam.PTransform):
    """Derives the status of each job event in a collection.

    An element is a JSON text in bytes or str, or a dict, as `json.loads` returns it: a webhook
    envelope, a job, a page of jobs, or an array of these. The blocks of ReadJobEvents are accepted
    too. An element of another type becomes an error.

    Each output has the window and the timestamp of its element. Events of other types are dropped;
    the Beam metric `events_ignored` counts them.

    Args:
        mapping: The path of a mapping file, or several paths. The rules of later files win.
        provider: The provider of events that do not name theirs.
        event_types: Shell-style patterns of the wanted events.

    Returns:
        NormalizedJobStatus: `events`, of JobStatusEvent, and `errors`, of DeadLetter.

    Raises:
        UsageError: A mapping file cannot be read or is not valid, or the elements are known to be
            of another type.

    Examples:
        >>> import apache_beam as beam
        >>> from transforms import NormalizeJobStatus
        >>> with beam.Pipeline() as pipeline:
        ...     lines = pipeline | beam.Create(['{"id": "7", "status": "Published"}'])
        ...     result = lines | NormalizeJobStatus(provider="greenhouse")
        ...     values = result.events | beam.Map(lambda event: event.job_status.value)
        ...     shown = values | beam.Map(print)
        published
    """

    def __init__(
        self,
        *,
        mapping: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        provider: str | None = None,
        event_types: Sequence[str] = DEFAULT_EVENT_TYPES,
    ) -> None:
        super().__init__()
        paths = [mapping] if isinstance(mapping, (str, os.PathLike)) else mapping
        tables = load_mappings([os.fspath(path) for path in paths])
        self._normalize = beam.ParDo(_Normalize(tables, tuple(event_types), provider))

    def expand(self, elements: beam.PCollection) -> NormalizedJobStatus:
        batches = elements
        if elements.element_type != RawBlock:
            check_type(elements.element_type)
            batches = elements | beam.ParDo(_Batch()).with_output_types(ElementBatch)
        events, errors = batches | self._normalize.with_outputs(_ERRORS, main="events")
        # Beam checks all outputs against the type that `with_output_types` gives to the main one.
        events.element_type, errors.element_type = JobStatusEvent, DeadLetter
        return NormalizedJobStatus(events, errors)


def check_type(element_type: Any) -> None:
    """Raises UsageError if elements of a type cannot be events. Any may be of any type."""
    if typehints.is_consistent_with(element_type, _ELEMENT):
        return
    name = element_type.__name__ if isinstance(element_type, type) else element_type
    raise UsageError(
        f"NormalizeJobStatus accepts {ACCEPTED}, not elements of type {name}",
        "convert them before: beam.Map(json.dumps) for values of JSON, "
        "beam.Map(lambda row: row.line) for a field of rows",
    )
