"""`mapping lint`: the problems of a mapping file, or its effect on the built-in rules."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.mapping.formatting import did_you_mean, rule_text, rules_of
from pipeline.report import counted
from schemas.mapping import SECTIONS, MappingError, load_mapping, parse_mapping, problem_lines


def lint_text(text: str, name: str) -> tuple[str, int]:
    """Returns a text about the YAML of a mapping file, and the number of problems in it."""
    try:
        load_mapping(text, name)
    except MappingError as e:
        count = len(e.problems)
        lines = [*problem_lines(name, e.problems), f"{name}: {counted(count, 'problem')}"]
        return "\n".join(lines) + "\n", count
    return "\n".join(_notes(text, name)) + "\n", 0


def _notes(text: str, name: str) -> Iterator[str]:
    file = parse_mapping(text, name)
    built_in = load_mapping()
    counts = [
        f"{count} {section if count != 1 else kind}"
        for section, kind in SECTIONS.items()
        if (count := sum(entry.kind == kind for entry in file.entries))
    ]
    yield f"{name}: fine: {', '.join(counts) or 'no rules'}"
    for provider in file.providers:
        if built_in.provider(provider.name) is None:
            question = did_you_mean(provider.name, built_in)
            yield f"{name}:{provider.line}: {provider.name} is a new provider{question}"
    for entry in file.entries:
        tables = built_in.provider_tables(entry.provider)
        for table in tables if entry.provider else built_in.global_tables:
            rule = rules_of(table, entry.kind).get(entry.key)
            if rule is not None and rule.value != entry.value:
                place = f" at {rule.provider}" if rule.provider else ""
                yield f"{name}:{entry.line}: {entry.value} overrides: {rule_text(rule)}{place}"
