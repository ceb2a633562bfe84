"""Decides which events are wanted, and of which kind their records are."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Raw

from schemas.record_kinds import JOB, KINDS, RecordKind
from transforms.json import decode_object, kind_of

DEFAULT_EVENT_TYPES = (JOB.event_types,)


class EventTypes:
    """Matches event types against shell-style patterns, such as `ats_jobs.*`.

    Args:
        patterns: The patterns of the wanted event types.
        kinds: The kinds of records, the most usual first.
    """

    _MAX_CACHED_TYPES = 10_000
    _MAX_CACHED_LENGTH = 256

    def __init__(
        self,
        patterns: tuple[str, ...] = DEFAULT_EVENT_TYPES,
        kinds: tuple[RecordKind, ...] = KINDS,
    ) -> None:
        self._patterns = patterns
        self.kinds = kinds
        self._known: dict[str, RecordKind | None] = {}

    def __call__(self, event_type: str) -> RecordKind | None:
        """Returns the kind of an event type, or None if events of this type are not wanted."""
        try:
            return self._known[event_type]
        except KeyError:
            kind = self._find(event_type)
        if len(self._known) >= self._MAX_CACHED_TYPES:
            self._known.clear()
        if len(event_type) <= self._MAX_CACHED_LENGTH:
            self._known[event_type] = kind
        return kind

    def _find(self, event_type: str) -> RecordKind | None:
        if not any(fnmatchcase(event_type, pattern) for pattern in self._patterns):
            return None
        kinds = (each for each in self.kinds if fnmatchcase(event_type, each.event_types))
        return next(kinds, self.kinds[0])

    def kind_by_fields(self, fields: Mapping[str, Raw]) -> RecordKind:
        """Returns the kind of an object without an event type.

        It is of the first kind, unless it lacks that kind's status and has that of another kind: an
        object with a `value` or a `source_value`.
        """
        first, *others = self.kinds
        if first.status_key not in fields:
            for kind in others:
                status = fields.get(kind.status_key, Raw(b"null"))
                if kind_of(status) == "object" and not _PAIR.isdisjoint(decode_object(status)):
                    return kind
        return first


_PAIR = frozenset({"value", "source_value"})
