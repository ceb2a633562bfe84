"""Derives the status of a job from what was sent as it.

Pure: the result depends on nothing but columns of the record it goes into, so it can be derived
again from an output alone.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Final, Generic, NamedTuple, TypeVar

from schemas.mapping import NORMALISED_UNMAPPED, UNMAPPED, Mapping, normalise_label, spellings
from transforms.derive.lookup import MEMBERS, Hit, RuleLookup, Step
from transforms.derive.source_value import (
    MAX_TEXT,
    compact,
    decode_string,
    has_content,
    representative_part,
    text_of,
)
from transforms.json import kind_of

__all__ = ["Derived", "Deriver", "Step", "derive", "explain"]

_MAX_ENTRIES: Final = 32_768
_MAX_ENTRY_BYTES: Final = 8_192
_MAX_TOTAL_BYTES: Final = 16_000_000


class Derived(NamedTuple):
    """The derived columns of a record.

    Attributes:
        value: A member of the job status, or None.
        source_value: The coerced text of the source value, or None where it is missing or null.
        derived_from: value, source_value, status, event_type or nothing.
        derivation: given, provider_rule, global_rule, event_type, unmapped or absent.
    """

    value: str | None
    source_value: str | None
    derived_from: str
    derivation: str


class _Source(NamedTuple):
    """What a source value says: what it means, its text, whether it says anything at all."""

    hit: Hit | None
    text: str | None
    says: bool


def derive(
    mapping: Mapping,
    *,
    provider: str | None,
    event_type: str | None,
    given_value: str | None,
    source_value_type: str,
    source_value_json: str | None,
    legacy_status: str | None,
    trace: list[Step] | None = None,
) -> Derived:
    """Derives a status: the first place that says something decides, whether it maps or not.

    Args:
        mapping: The tables in force.
        provider: The provider's name as it came.
        event_type: The name of the event.
        given_value: The incoming `value`.
        source_value_type: missing, null, boolean, number, string, array or object.
        source_value_json: The exact JSON text of the source value, valid and without lone
            surrogates; None where it is missing or null.
        legacy_status: The job's deprecated `status`.
        trace: Takes the steps that lead to the result.

    Returns:
        The status. Never raises on input as described.
    """
    search = RuleLookup(mapping, provider, trace)
    source = _look_at(search, source_value_type, source_value_json)
    return _decide(search, source, event_type, given_value, legacy_status)


def _look_at(search: RuleLookup, kind: str, json_text: str | None) -> _Source:
    if json_text is None or kind in ("missing", "null"):
        search.note("source_value", kind)
        return _Source(None, None, False)
    if kind == "string":
        return _look_at_text(search, decode_string(json_text))
    json = json_text.encode().strip()
    hit = search.source(json, "source_value")
    if hit is not None:
        return _Source(hit, hit.text[:MAX_TEXT], True)
    part = representative_part(json)
    if part is not None:
        return _Source(None, text_of(part, depth=2)[:MAX_TEXT], True)
    says = has_content(json)
    if not says:
        search.note("source_value", "says nothing")
    return _Source(None, compact(json)[:MAX_TEXT], says)


def _look_at_text(search: RuleLookup, text: str) -> _Source:
    hit = search.text(text, "source_value", "both")
    if hit is not None:
        return _Source(hit, hit.text[:MAX_TEXT], True)
    says = bool(spellings(text).plain)
    if not says:
        search.note("source_value", "says nothing")
    return _Source(None, text[:MAX_TEXT], says)


def _decide(
    search: RuleLookup,
    source: _Source,
    event_type: str | None,
    given_value: str | None,
    legacy_status: str | None,
) -> Derived:
    text = source.text
    key = normalise_label(given_value) if given_value else ""
    if key in MEMBERS:
        search.note("value", f"the value {MEMBERS[key]} is given, and decides")
        return Derived(MEMBERS[key], text, "value", "given")
    if source.says:
        return _derived(source.hit, text, "source_value")
    for where, words in (("value", given_value), ("status", legacy_status)):
        words_key = key if where == "value" else normalise_label(words or "")
        if words is None or not words_key:
            search.note(where, "missing" if words is None else "says nothing")
        elif where == "status" or words_key != NORMALISED_UNMAPPED:
            return _derived(search.text(words, where, "shared"), text, where)
    if event_type is not None and event_type.endswith(".deleted"):
        search.note("event", "its name ends in .deleted")
        return Derived("deleted", text, "event_type", "event_type")
    if key == NORMALISED_UNMAPPED:
        search.note("value", "unmapped_value is given, and nothing else says more")
        return Derived(UNMAPPED, text, "value", "unmapped")
    return Derived(None, text, "nothing", "absent")


def _derived(hit: Hit | None, text: str | None, derived_from: str) -> Derived:
    if hit is None:
        return Derived(UNMAPPED, text, derived_from, "unmapped")
    return Derived(hit.value, text, derived_from, hit.derivation)


def explain(mapping: Mapping, provider: str | None, json_text: str) -> list[Step]:
    """Returns the steps that derive a status from a source value alone.

    Args:
        mapping: The tables in force.
        provider: The provider's name.
        json_text: The JSON text of the source value, valid and without lone surrogates.
    """
    steps: list[Step] = []
    derive(
        mapping,
        provider=provider,
        event_type=None,
        given_value=None,
        source_value_type=kind_of(json_text.encode()),
        source_value_json=json_text,
        legacy_status=None,
        trace=steps,
    )
    return steps


_T = TypeVar("_T")


class _Memory(Generic[_T]):
    """What was found, by what it was found from; emptied when it is full.

    Hostile data can cost time but no memory: entries and their bytes are bounded, and a long text
    does not enter.
    """

    __slots__ = ("_entries", "_size", "get")

    def __init__(self) -> None:
        self._entries: dict[tuple[str | None, ...], _T] = {}
        self._size = 0
        self.get = self._entries.get

    def put(self, key: tuple[str | None, ...], found: _T, text: str | None) -> None:
        """Remembers what was found; `text` is the text that it holds itself."""
        size = sum(map(getsizeof, key)) + getsizeof(text)
        if size <= _MAX_ENTRY_BYTES:
            if len(self._entries) >= _MAX_ENTRIES or self._size + size > _MAX_TOTAL_BYTES:
                self._entries.clear()
                self._size = 0
            self._entries[key] = found
            self._size += size


class Deriver:
    """`derive` with a memory: real data has few distinct statuses.

    A source value is remembered by itself as well, as one status comes with many events and, if no
    provider has a rule for it, from many providers. A pickle holds the mapping alone.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._results: _Memory[Derived] = _Memory()
        self._sources: _Memory[_Source] = _Memory()

    def __reduce__(self) -> tuple[type[Deriver], tuple[Mapping]]:
        return Deriver, (self.mapping,)

    def __call__(
        self,
        provider: str | None,
        event_type: str | None,
        given_value: str | None,
        source_value_type: str,
        source_value_json: str | None,
        legacy_status: str | None,
    ) -> Derived:
        """Derives a status; the arguments are those of `derive`."""
        key = (
            provider,
            event_type,
            given_value,
            source_value_type,
            source_value_json,
            legacy_status,
        )
        known = self._results.get(key)
        if known is not None:
            return known
        search = RuleLookup(self.mapping, provider)
        text = (source_value_type, source_value_json)
        source = self._sources.get(text) or self._sources.get((provider, *text))
        is_new = source is None
        if source is None:
            source = _look_at(search, *text)
            # Most of what nobody has a rule for is the same for all, and need be kept only once.
            place = (provider, *text) if search.depends_on_provider else text
            self._sources.put(place, source, source.text)
        derived = _decide(search, source, event_type, given_value, legacy_status)
        if not is_new:
            # What comes only once would fill the memory for nothing.
            self._results.put(key, derived, derived.source_value)
        return derived
