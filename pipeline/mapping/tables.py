"""`mapping print`: the tables in force as one mapping file."""

from __future__ import annotations

from pipeline.mapping.formatting import rule_text, rules_of, yaml_scalar
from schemas.mapping import CODES_WITH_TEXT, SECTIONS, VALUES, Mapping, Rule


def tables_text(mapping: Mapping) -> str:
    """Returns the tables in force as a mapping file, with the place of each rule in a comment.

    A rule that an earlier file overrides is a comment.
    """
    names = " before ".join(file.name for file in mapping.files)
    lines = [f"# The mapping {mapping.fingerprint}: {names}", "labels:"]
    lines += _section_lines([table.labels for table in mapping.global_tables], "  ")
    lines.append("providers:")
    for provider in mapping.providers:
        lines.append(f"  {yaml_scalar(provider)}:")
        other_names = mapping.other_names(provider)
        if other_names:
            lines.append(f"    names: [{', '.join(map(yaml_scalar, other_names))}]")
        tables = mapping.provider_tables(provider)
        if any(table.codes_with_text for table in tables):
            lines.append(f"    {CODES_WITH_TEXT}: true")
        for section, kind in SECTIONS.items():
            rules = _section_lines([rules_of(table, kind) for table in tables], "      ")
            if rules:
                lines += [f"    {section}:", *rules]
    return "\n".join(lines) + "\n"


def _section_lines(tables: list[dict[str, Rule]], indent: str) -> list[str]:
    by_value: dict[str, list[str]] = {}
    overridden: list[str] = []
    in_force: dict[str, Rule] = {}
    for table in tables:
        for key, rule in table.items():
            if in_force.setdefault(key, rule) is rule:
                text = rule.text if rule.kind == "boolean" else yaml_scalar(rule.text)
                lines = by_value.setdefault(rule.value, [f"{indent}{rule.value}:"])
                lines.append(f"{indent}  - {text}  # {rule.place}")
            else:
                overridden.append(f"{indent}# overridden: {rule_text(rule)} at {rule.place}")
    return [line for value in VALUES for line in by_value.get(value, [])] + overridden
