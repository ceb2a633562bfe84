"""Derives the status of a job from what was sent as it.

Pure: the result depends on nothing but columns of the record it goes into, so it can be derived
again from an output alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.mapping import Mapping
from schemas.text import norm
from transforms.json_text import kind_of
from transforms.source_value import MAX_TEXT, says_something, text_of
from transforms.status_search import (
    MEMBERS,
    NORMALISED_UNMAPPED,
    UNMAPPED,
    Hit,
    Search,
    Step,
)

__all__ = ["Derived", "Deriver", "Step", "derive", "explain", "unmapped_key"]

_MAX_ENTRIES: Final = 65_536
_MAX_ENTRY_TEXT: Final = 1_024
_MAX_TOTAL_TEXT: Final = 8_000_000


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
    search = Search(mapping, provider, trace)
    hit: Hit | None = None
    text: str | None = None
    says = False
    if source_value_json is not None and source_value_type not in ("missing", "null"):
        json = source_value_json.encode().strip()
        hit = search.source(json, "source_value")
        says = hit is not None or says_something(json)
        text = (text_of(json) if hit is None else hit.text)[:MAX_TEXT]
        if not says:
            search.note("source_value", "says nothing")
    else:
        search.note("source_value", source_value_type)

    key = norm(given_value or "")
    if key in MEMBERS:
        search.note("value", f"the value {MEMBERS[key]} is given, and decides")
        return Derived(MEMBERS[key], text, "value", "given")
    if says:
        return _derived(hit, text, "source_value")
    for where, words in (("value", given_value), ("status", legacy_status)):
        words_key = key if where == "value" else norm(words or "")
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


def unmapped_key(
    derived: Derived,
    provider: str | None,
    given_value: str | None,
    legacy_status: str | None,
) -> tuple[str | None, str] | None:
    """Returns what needs a rule where none was found: the provider and the text.

    The provider is None where only a rule for everybody would help: for a `value` and a `status`,
    which are not the provider's words. None for a record that no rule is missing for, and for
    a bare `unmapped_value`, which leaves nothing to write a rule about.
    """
    if derived.derivation != "unmapped":
        return None
    if derived.derived_from == "source_value":
        return provider, derived.source_value or ""
    text = given_value if derived.derived_from == "value" else legacy_status
    if text is None or (derived.derived_from == "value" and norm(text) == NORMALISED_UNMAPPED):
        return None
    return None, text


class Deriver:
    """`derive` with a memory: real data has few distinct statuses.

    The memory is emptied when it is full, and long texts do not enter it, so that hostile data can
    cost time but no memory. A pickle holds the mapping alone.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._memo: dict[tuple[str | None, ...], Derived] = {}
        self._size = 0

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
        known = self._memo.get(key)
        if known is not None:
            return known
        derived = derive(
            self.mapping,
            provider=provider,
            event_type=event_type,
            given_value=given_value,
            source_value_type=source_value_type,
            source_value_json=source_value_json,
            legacy_status=legacy_status,
        )
        self._remember(key, derived)
        return derived

    def _remember(self, key: tuple[str | None, ...], derived: Derived) -> None:
        size = sum(len(text) for text in (*key, derived.source_value) if text is not None)
        if size > _MAX_ENTRY_TEXT:
            return
        if len(self._memo) >= _MAX_ENTRIES or self._size + size > _MAX_TOTAL_TEXT:
            self._memo.clear()
            self._size = 0
        self._memo[key] = derived
        self._size += size
