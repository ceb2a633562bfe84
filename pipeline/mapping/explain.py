"""`mapping explain`: the status of an event, and the look-ups that lead to it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from pipeline.mapping.formatting import did_you_mean, quoted, rule_text
from schemas.errors import UsageError
from schemas.mapping import NORMALISED_UNMAPPED, Case, Mapping, normalise_label
from transforms.derive import Derived, Step, derive
from transforms.json import MAX_NESTING, depth, kind_of

_REASONS = {
    "given": "a given `value` that is a status decides before all rules",
    "provider_rule": "`{field}` has content, so it decides; a rule of the provider maps it",
    "global_rule": "`{field}` has content, so it decides; a rule for all providers maps it",
    "event_type": "no field has content, and the name of the event ends in .deleted",
    "unmapped": "`{field}` has content, so it decides; no rule maps it",
    "absent": "no field has content",
}


def explain_text(provider: str | None, argument: str, mapping: Mapping) -> str:
    """Explains step by step which status a source value has.

    Args:
        provider: The provider's name.
        argument: The source value as JSON. Anything that is not JSON is a text.
        mapping: The tables in force.

    Raises:
        UsageError: The argument is not UTF-8, or nested too deeply.
    """
    json_text, origin = _source_value(argument)
    case = Case(provider=provider, source_value=json_text)
    lines = explain_case(case, mapping, origin)
    return "\n".join([*lines, f"mapping:      {mapping.fingerprint}"]) + "\n"


def derive_case(case: Case, mapping: Mapping, trace: list[Step] | None = None) -> Derived:
    """Derives the status of a case; adds the steps to a trace, if there is one."""
    return derive(
        mapping,
        provider=case.provider,
        event_type=case.event_type,
        given_value=case.given_value,
        source_value_type=_kind(case),
        source_value_json=None if _kind(case) == "null" else case.source_value,
        legacy_status=case.legacy_status,
        trace=trace,
    )


def explain_case(case: Case, mapping: Mapping, origin: str = "") -> Iterator[str]:
    """Yields the lines that explain the status of a case; `origin` describes its source value."""
    steps: list[Step] = []
    derived = derive_case(case, mapping, steps)
    text = f"{quoted(derived.source_value or '')} ({origin or f'from a JSON {_kind(case)}'})"
    yield f"provider:     {_provider_text(case.provider, mapping)}"
    yield f"source_value: {_kind(case) if derived.source_value is None else text}"
    others = {"value": case.given_value, "status": case.legacy_status, "event": case.event_type}
    for field, given in others.items():
        if given is not None:
            yield f"{field + ':':<13} {quoted(given)}"
    for number, step in enumerate(steps, 1):
        yield from _step_lines(number, step)
    by = f"{derived.derivation}, derived from {derived.derived_from}"
    yield f"result:       {derived.value or 'null'} by {by}"
    yield f"reason:       {_reason(derived, case)}"


def _source_value(argument: str) -> tuple[str, str]:
    """Returns the JSON text of an argument, and the way in which it was read."""
    try:
        data = argument.encode()
        if depth(data) > MAX_NESTING:
            raise UsageError(f"The JSON is nested more than {MAX_NESTING} deep")
        msgspec.json.decode(data, type=msgspec.Raw)
    except UnicodeError as e:
        raise UsageError("The source value is not UTF-8") from e
    except (msgspec.DecodeError, RecursionError) as e:
        # A text that starts like JSON may be JSON with a mistake.
        detail = f": {e}" if argument[:1] in ("{", "[", '"') else ""
        text = json.dumps(argument, ensure_ascii=False)
        return text, f"a text, because the argument is not JSON{detail}"
    return argument, f"from a JSON {kind_of(data)}"


def _kind(case: Case) -> str:
    return "missing" if case.source_value is None else kind_of(case.source_value.encode())


def _reason(derived: Derived, case: Case) -> str:
    is_bare = normalise_label(case.given_value or "") == NORMALISED_UNMAPPED
    if derived.derived_from == "value" and is_bare:
        return "`value` is unmapped_value, and no other field has content"
    return _REASONS[derived.derivation].format(field=derived.derived_from)


def _provider_text(provider: str | None, mapping: Mapping) -> str:
    if provider is None:
        return "not given: only the labels for all providers apply"
    usual = mapping.provider(provider)
    if usual is not None:
        return usual
    question = did_you_mean(provider, mapping)
    return f"{quoted(provider)} has no table: only the labels for all providers apply{question}"


def _step_lines(number: int, step: Step) -> Iterator[str]:
    yield f"{number:>2}. {step.path}: {step.query or step.outcome}"
    if step.tables:
        yield f"    searched {', then '.join(_searched(step))}"
        yield f"    {rule_text(step.rule)} at {step.rule.place}" if step.rule else "    no rule"
    elif step.query:
        yield "    no table to search: numbers, booleans and codes need a provider"


def _searched(step: Step) -> tuple[str, ...]:
    """Returns the titles of the tables up to the one that has the rule."""
    if step.rule is None:
        return step.tables
    file = step.rule.place.rpartition(":")[0]
    found_in = f"{file} for {step.rule.provider or 'all providers'}"
    return step.tables[: step.tables.index(found_in) + 1]
