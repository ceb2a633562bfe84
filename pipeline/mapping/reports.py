"""What `job-status mapping` prints: why a status comes out, the tables, the faults of a file.

Every function takes what was asked and returns the text for stdout; reading files and arguments is
the command line's part.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
import yaml

from schemas.errors import UsageError
from schemas.mapping import (
    FILL_IN,
    MAX_LABEL,
    OVERLONG,
    VALUES,
    Kind,
    Mapping,
    MappingError,
    Rule,
    Table,
    describe,
    is_number_like,
    load_mapping,
    nearest,
    needs_provider,
    normalise_label,
    parse_mapping,
    provider_key,
)
from transforms.blocks import UnmappedRow
from transforms.derive import MAX_CODE_DIGITS, Step, derive, number_code, parts
from transforms.json import depth, kind_of

MAX_NESTING: Final = 200
"""Levels of nesting that a payload may have."""

_SECTIONS: Final[dict[Kind, str]] = {"label": "labels", "code": "codes", "boolean": "booleans"}
_PLAIN: Final = re.compile(r"[^\W\d_](?:[\w -]*\w)?")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Lint(NamedTuple):
    """What is to be said about a mapping file.

    Attributes:
        text: For stdout.
        problems: How many problems keep the file from being used.
    """

    text: str
    problems: int


class _Report(msgspec.Struct):
    unmapped: list[UnmappedRow]


class _Suggestion(NamedTuple):
    """A rule without its value: its section, and what is compared, as it is to be written."""

    section: Kind
    text: str


def explain_text(provider: str | None, json_text: str, mapping: Mapping) -> str:
    """Explains which status comes out of a source value, step by step.

    Args:
        provider: The provider, by any of its names.
        json_text: The source value as JSON.
        mapping: The tables in force.

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
        source_value_json=None if kind == "null" else json_text,
        legacy_status=None,
        trace=steps,
    )
    lines = [
        f"provider:     {_provider_line(provider, mapping)}",
        f"source_value: {_quoted_or_null(derived.source_value)} (from a JSON {kind})",
    ]
    for number, step in enumerate(steps, 1):
        lines += _step_lines(number, step)
    lines += [
        f"result:       {derived.value or 'null'} by {derived.derivation}, "
        f"derived from {derived.derived_from}",
        f"mapping:      {mapping.fingerprint}",
    ]
    return "\n".join(lines) + "\n"


def print_text(mapping: Mapping) -> str:
    """Returns the tables in force as one mapping file that says where each rule comes from.

    What a rule of an earlier file overrides stands there as a comment.
    """
    names = " before ".join(file.name for file in mapping.files)
    lines = [f"# The mapping {mapping.fingerprint}: {names}", "labels:"]
    lines += _section_lines([t.labels for t in mapping.global_tables], "  ")
    lines.append("providers:")
    for provider in mapping.providers:
        lines.append(f"  {_scalar(provider)}:")
        names_of = mapping.other_names(provider)
        if names_of:
            lines.append(f"    names: [{', '.join(_scalar(name) for name in names_of)}]")
        tables = mapping.provider_tables(provider)
        for kind, section in _SECTIONS.items():
            rules = _section_lines([_rules(table, kind) for table in tables], "      ")
            if rules:
                lines += [f"    {section}:", *rules]
    return "\n".join(lines) + "\n"


def lint_text(text: str, name: str) -> Lint:
    """Checks a mapping file.

    Args:
        text: The YAML.
        name: What to call the file.

    Returns:
        Its problems, or what it adds and what it overrides.
    """
    try:
        mapping = load_mapping(text, name)
    except MappingError as e:
        lines: list[str] = []
        for problem in e.problems:
            lines.append(describe(name, problem))
            if problem.hint:
                lines.append(f"    {problem.hint}")
        count = len(e.problems)
        lines.append(f"{name}: {count} problem{'s' * (count != 1)}")
        return Lint("\n".join(lines) + "\n", count)
    return Lint("\n".join(_lint_notes(text, name, mapping)) + "\n", 0)


def suggest_text(report: bytes | str, mapping: Mapping, name: str = "report") -> str:
    """Turns what a run could not map into a mapping file to fill in.

    Args:
        report: The JSON of a run's report.
        mapping: The tables in force, where similar labels are looked for.
        name: What to call the report.

    Returns:
        YAML with `FILL_IN` in the place of every value.

    Raises:
        UsageError: The report is none.
    """
    try:
        rows = msgspec.json.decode(report, type=_Report).unmapped
    except (msgspec.DecodeError, UnicodeError, RecursionError) as e:
        raise UsageError(
            f"{name} is not the report of a run", "`job-status run --report FILE.json` writes one."
        ) from e
    if not rows:
        return "# Every status had a rule: there is nothing to fill in.\n"
    by_provider: dict[str | None, list[UnmappedRow]] = {None: []}
    spelled: dict[str, str] = {}
    for row in rows:
        key = provider_key(row.provider or "")
        provider = (
            None
            if not key
            else mapping.provider(row.provider) or spelled.setdefault(key, row.provider or "")
        )
        by_provider.setdefault(provider, []).append(row)
    lines = [
        f"# Statuses without a rule, from {name}, the most frequent first.",
        f"# Replace every {FILL_IN} by the value that the texts under it mean; move a text that",
        "# means another value under that one; delete what you do not want to map. The values:",
        f"# {', '.join(VALUES)}.",
    ]
    lines += _suggestions(None, by_provider.pop(None), mapping, "")
    if by_provider:
        lines.append("providers:")
    for provider, provider_rows in by_provider.items():
        lines.append(f"  {_scalar(provider or '')}:")
        lines += _suggestions(provider, provider_rows, mapping, "    ")
    return "\n".join(lines) + "\n"


def _checked_kind(json_text: str) -> str:
    hint = "A text is JSON with its quotes: '\"closed\"'."
    try:
        data = json_text.encode()
        if depth(data) > MAX_NESTING:
            raise UsageError(f"The JSON is nested more than {MAX_NESTING} deep")
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as e:
        raise UsageError("The source value is not JSON", hint) from e
    return kind_of(data)


def _provider_line(provider: str | None, mapping: Mapping) -> str:
    if provider is None:
        return "not given: only the labels for everybody count"
    usual = mapping.provider(provider)
    if usual is not None:
        return usual
    guess = nearest(provider, mapping.providers)
    hint = f"; did you mean {guess}?" if guess else ""
    return f"{_quoted(provider)} has no table: only the labels for everybody count{hint}"


def _step_lines(number: int, step: Step) -> Iterator[str]:
    if not step.sought:
        yield f"{number:>2}. {step.where}: {step.outcome}"
        return
    yield f"{number:>2}. {step.where}: {step.sought}"
    if not step.tables:
        yield "    no table to look into: numbers, booleans and codes need a provider"
        return
    yield f"    looked into {', then '.join(step.tables)}"
    if step.rule is None:
        yield "    no rule"
    else:
        yield f"    {_rule_text(step.rule)} at {step.rule.place}"


def _rule_text(rule: Rule) -> str:
    return f"{rule.kind} {_quoted(rule.text)} means {rule.value}"


def _rules(table: Table, kind: Kind) -> dict[str, Rule]:
    if kind == "label":
        return table.labels
    if kind == "code":
        return table.codes
    return {rule.text: rule for rule in table.booleans.values()}


def _section_lines(tables: list[dict[str, Rule]], indent: str) -> list[str]:
    """Returns the rules of one section, by value; what an earlier table overrides as comments."""
    by_value: dict[str, list[str]] = {}
    overridden: list[str] = []
    in_force: dict[str, Rule] = {}
    for table in tables:
        for key, rule in table.items():
            if in_force.setdefault(key, rule) is rule:
                text = rule.text if rule.kind == "boolean" else _scalar(rule.text)
                by_value.setdefault(rule.value, []).append(f"{indent}  - {text}  # {rule.place}")
            else:
                overridden.append(f"{indent}# overridden: {_rule_text(rule)} at {rule.place}")
    lines: list[str] = []
    for value in VALUES:
        if value in by_value:
            lines += [f"{indent}{value}:", *by_value[value]]
    return lines + overridden


def _lint_notes(text: str, name: str, mapping: Mapping) -> Iterator[str]:
    file = parse_mapping(text, name)
    built_in = load_mapping()
    counts = [
        f"{count} {section if count != 1 else kind}"
        for kind, section in _SECTIONS.items()
        if (count := sum(entry.kind == kind for entry in file.entries))
    ]
    yield f"{name}: fine: {', '.join(counts) or 'no rules'}"
    for provider in file.providers:
        guess = nearest(provider.name, built_in.providers)
        if built_in.provider(provider.name) is None:
            hint = f"; did you mean {guess}?" if guess else ""
            yield f"{name}:{provider.line}: {provider.name} is a provider not known before{hint}"
    for entry in file.entries:
        tables = (
            built_in.global_tables
            if entry.provider is None
            else built_in.provider_tables(entry.provider)
        )
        for table in tables:
            rule = _rules(table, entry.kind).get(entry.key)
            if rule is not None and rule.value != entry.value:
                yield f"{name}:{entry.line}: {entry.value} overrides: {_rule_text(rule)}" + (
                    f" at {rule.provider}" if rule.provider else ""
                )


def _suggestions(
    provider: str | None, rows: Iterable[UnmappedRow], mapping: Mapping, indent: str
) -> list[str]:
    counts: dict[_Suggestion, int] = {}
    written: dict[tuple[Kind, str], _Suggestion] = {}
    hopeless: list[str] = []
    for row in rows:
        suggestion = _suggestion(provider, row.source_value)
        if isinstance(suggestion, str):
            hopeless.append(
                f"{indent}# {_times(row.count)}: {_quoted(row.source_value)}: {suggestion}"
            )
            continue
        key = normalise_label(suggestion.text) if suggestion.section == "label" else suggestion.text
        first = written.setdefault((suggestion.section, key), suggestion)
        counts[first] = counts.get(first, 0) + row.count
    lines: list[str] = []
    for kind, section in _SECTIONS.items():
        texts = {s.text: n for s, n in counts.items() if s.section == kind}
        if texts:
            lines += [f"{indent}{section}:", f"{indent}  {FILL_IN}:"]
        for text, count in sorted(texts.items(), key=lambda item: -item[1]):
            near = _near(provider, text, mapping) if kind == "label" else ""
            scalar = text if kind == "boolean" else _quoted(text)
            lines.append(f"{indent}    - {scalar}  # {_times(count)}{near}")
    return lines + hopeless


def _suggestion(provider: str | None, text: str) -> _Suggestion | str:
    """Returns the rule that a text needs, or why it can have none."""
    key = normalise_label(text)
    if not key or key == OVERLONG or len(text) >= MAX_LABEL:
        return "too long for a rule" if key else "blank"
    if text in ("true", "false"):
        return _Suggestion("boolean", text) if provider else "a boolean needs a provider"
    if _NUMBER.fullmatch(text):
        # 10.0 and 1e1 are the number 10, while "010" can only have been a text.
        code = number_code(text) if re.search("[.eE]", text) else text
        if code is None:
            return f"no whole number of at most {MAX_CODE_DIGITS} digits"
        return _Suggestion("code", code) if provider else "a number needs a provider"
    if is_number_like(key) and text[0] not in "[{":
        return _Suggestion("code", text.strip()) if provider else "a number needs a provider"
    if text[0] in "[{":
        code = _id_of(text)
        if code is None:
            return "has no label that could be mapped"
        return _Suggestion("code", code) if provider else "an id needs a provider"
    if provider is None and needs_provider(key):
        return "a single letter or a boolean needs a provider"
    return _Suggestion("label", text.strip())


def _id_of(text: str) -> str | None:
    """Returns the id in the text of an object that has no label."""
    try:
        ids = parts(text.encode()).ids
    except (msgspec.DecodeError, RecursionError):
        return None
    for part in ids:
        kind = kind_of(part.json)
        if kind == "string":
            return msgspec.json.decode(part.json, type=str).strip() or None
        if kind == "number":
            return number_code(part.json.decode())
    return None


def _near(provider: str | None, text: str, mapping: Mapping) -> str:
    tables = (*mapping.provider_tables(provider), *mapping.global_tables)
    known = {key: rule for table in reversed(tables) for key, rule in table.labels.items()}
    found = difflib.get_close_matches(normalise_label(text), known, n=3)
    rules = ", ".join(f"{_quoted(known[key].text)} ({known[key].value})" for key in found)
    return f"; near: {rules}" if rules else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _scalar(text: str) -> str:
    """Writes a text so that YAML reads it as that text, without quotes where it can do without."""
    plain = _PLAIN.fullmatch(text) is not None and text.isprintable()
    return text if plain and yaml.safe_load(text) == text else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _quoted_or_null(text: str | None) -> str:
    return "null" if text is None else _quoted(text)
