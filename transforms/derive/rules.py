"""Derives the status of a job or of a posting.

The result depends only on columns of the output record, so it can be derived again from an output.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.mapping import NORMALISED_UNMAPPED, UNMAPPED, Mapping, normalise_label
from schemas.record_kinds import JOB, KINDS, RecordKind
from transforms.derive.lookup import Hit, RuleLookup, Step
from transforms.derive.source_value import MAX_TEXT, filled_text, text_of


class Derived(NamedTuple):
    """The derived columns of a record.

    Attributes:
        value: A member of the job status, or None.
        source_value: The coerced text of the source value, or None if it is missing or null.
        derived_from: value, source_value, status, event_type or nothing.
        derivation: given, provider_rule, global_rule, event_type, unmapped or absent.
    """

    value: str | None
    source_value: str | None
    derived_from: str
    derivation: str


class _Source(NamedTuple):
    """A source value after its look-up: the hit, the coerced text, and if it has content."""

    hit: Hit | None
    text: str | None
    has_content: bool


def derive(
    mapping: Mapping,
    *,
    provider: str | None,
    event_type: str | None,
    given_value: str | None,
    source_value_type: str,
    source_value_json: str | None,
    legacy_status: str | None,
    kind: RecordKind = JOB,
    trace: list[Step] | None = None,
) -> Derived:
    """Derives a status from the first field that has content, even if no rule maps it.

    Never raises on input as described.

    Args:
        mapping: The tables in force.
        provider: The provider's name in the event.
        event_type: The name of the event.
        given_value: The incoming `value`.
        source_value_type: missing, null, boolean, number, string, array or object.
        source_value_json: The exact JSON text of the source value, valid and without lone
            surrogates; None if it is missing or null.
        legacy_status: The job's deprecated `status`.
        kind: The kind of the record.
        trace: A list for the steps that lead to the result.
    """
    lookup = RuleLookup(mapping, provider, kind, trace)
    source = _look_up_source(lookup, source_value_type, source_value_json)
    return _derive_from(lookup, kind, source, event_type, given_value, legacy_status)


def _look_up_source(lookup: RuleLookup, kind: str, json_text: str | None) -> _Source:
    if json_text is None or kind in ("missing", "null"):
        lookup.note("source_value", kind)
        return _Source(None, None, False)
    json = json_text.encode().strip()
    hit = lookup.source(json, "source_value")
    if hit is not None:
        return _Source(hit, hit.text[:MAX_TEXT], True)
    text = filled_text(json)
    if text is not None:
        return _Source(None, text[:MAX_TEXT], True)
    lookup.note("source_value", "no content")
    return _Source(None, text_of(json)[:MAX_TEXT], False)


def _derive_from(
    lookup: RuleLookup,
    kind: RecordKind,
    source: _Source,
    event_type: str | None,
    given_value: str | None,
    legacy_status: str | None,
) -> Derived:
    text = source.text
    key = normalise_label(given_value) if given_value else ""
    if key in kind.members:
        lookup.note("value", f"the value {kind.members[key]} is given and decides")
        return Derived(kind.members[key], text, "value", "given")
    if source.has_content:
        return _from_hit(source.hit, text, "source_value")
    for field, word in (("value", given_value), ("status", legacy_status)):
        word_key = key if field == "value" else normalise_label(word or "")
        if word is None or not word_key:
            lookup.note(field, "missing" if word is None else "no content")
        elif field == "status" or word_key != NORMALISED_UNMAPPED:
            return _from_hit(lookup.text(word, field, "global"), text, field)
    if event_type is not None and event_type.endswith(kind.deleted_suffix):
        lookup.note("event", f"its name ends in {kind.deleted_suffix}")
        return Derived("deleted", text, "event_type", "event_type")
    if key == NORMALISED_UNMAPPED:
        lookup.note("value", "unmapped_value is given, and no other field has content")
        return Derived(UNMAPPED, text, "value", "unmapped")
    return Derived(None, text, "nothing", "absent")


def _from_hit(hit: Hit | None, text: str | None, derived_from: str) -> Derived:
    if hit is None:
        return Derived(UNMAPPED, text, derived_from, "unmapped")
    return Derived(hit.value, text, derived_from, hit.derivation)


class Deriver:
    """Derives the statuses of events, whose records may be of several kinds."""

    def __init__(self, mapping: Mapping, kinds: tuple[RecordKind, ...] = KINDS) -> None:
        self.mapping = mapping
        self._kinds = {kind.name: kind for kind in kinds}

    def __call__(
        self,
        provider: str | None,
        event_type: str | None,
        given_value: str | None,
        source_value_type: str,
        source_value_json: str | None,
        legacy_status: str | None,
        record_type: str = JOB.name,
    ) -> Derived:
        """Derives a status; the arguments are those of `derive`, with the name of the kind."""
        return derive(
            self.mapping,
            provider=provider,
            event_type=event_type,
            given_value=given_value,
            source_value_type=source_value_type,
            source_value_json=source_value_json,
            legacy_status=legacy_status,
            kind=self._kinds[record_type],
        )
