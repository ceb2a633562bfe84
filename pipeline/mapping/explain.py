"""`mapping explain`: the status of a source value, and the look-ups that lead to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pipeline.mapping.formatting import did_you_mean, quoted, rule_text
from schemas.errors import UsageError
from schemas.mapping import Mapping
from transforms.derive import Step, derive
from transforms.json import MAX_NESTING, depth, kind_of


def explain_text(provider: str | None, json_text: str, mapping: Mapping) -> str:
    """Explains step by step which status a source value has.

    Raises:
        UsageError: The source value is not JSON.
    """
    kind = _checked_kind(json_text)
    steps: list[Step] = []
    derived = derive(
        mapping,
        provider=provider,
        event_type=None,
        given_value=None,
        source_value_type=kind,
        source_value_json=json_text,
        legacy_status=None,
        trace=steps,
    )
    source_value = "null" if derived.source_value is None else quoted(derived.source_value)
    lines = [
        f"provider:     {_provider_text(provider, mapping)}",
        f"source_value: {source_value} (from a JSON {kind})",
    ]
    for number, step in enumerate(steps, 1):
        lines += _step_lines(number, step)
    origin = f"{derived.derivation}, derived from {derived.derived_from}"
    lines.append(f"result:       {derived.value or 'null'} by {origin}")
    lines.append(f"mapping:      {mapping.fingerprint}")
    return "\n".join(lines) + "\n"


def _checked_kind(json_text: str) -> str:
    try:
        data = json_text.encode()
        if depth(data) > MAX_NESTING:
            raise UsageError(f"The JSON is nested more than {MAX_NESTING} deep")
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as e:
        raise UsageError(
            "The source value is not JSON", "A text needs quotes: '\"closed\"'."
        ) from e
    return kind_of(data)


def _provider_text(provider: str | None, mapping: Mapping) -> str:
    if provider is None:
        return "not given: only the labels for all providers apply"
    usual = mapping.provider(provider)
    if usual is not None:
        return usual
    question = did_you_mean(provider, mapping.providers)
    return f"{quoted(provider)} has no table: only the labels for all providers apply{question}"


def _step_lines(number: int, step: Step) -> Iterator[str]:
    yield f"{number:>2}. {step.path}: {step.query or step.outcome}"
    if step.tables:
        yield f"    searched {', then '.join(step.tables)}"
        yield f"    {rule_text(step.rule)} at {step.rule.place}" if step.rule else "    no rule"
    elif step.query:
        yield "    no table to search: numbers, booleans and codes need a provider"
