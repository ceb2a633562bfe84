"""`mapping suggest`: a mapping file to fill in, from the unmapped statuses of a run."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from pipeline.mapping.formatting import quoted, yaml_scalar
from schemas.errors import UsageError
from schemas.mapping import (
    FILL_IN,
    MAX_LABEL,
    OVERLONG,
    SECTIONS,
    VALUES,
    Kind,
    Mapping,
    is_number_like,
    needs_provider,
    normalise_label,
    provider_key,
)
from transforms.blocks import UnmappedRow
from transforms.derive import MAX_CODE_DIGITS, id_code, number_code, parts

_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class _Report(msgspec.Struct):
    unmapped: list[UnmappedRow]


_Suggestion = tuple[Kind, str]
"""A rule without its value: its kind and its text."""


def suggest_text(report: bytes | str, mapping: Mapping, name: str = "report") -> str:
    """Returns a mapping file with a rule for each unmapped status, and `FILL_IN` for each value.

    Raises:
        UsageError: The report, which messages call `name`, is not the JSON report of a run.
    """
    try:
        rows = msgspec.json.decode(report, type=_Report).unmapped
    except (msgspec.DecodeError, UnicodeError, RecursionError) as e:
        hint = "`job-status run --report FILE.json` writes one."
        raise UsageError(f"{name} is not the report of a run", hint) from e
    if not rows:
        return "# Every status has a rule: there is nothing to fill in.\n"
    by_provider: dict[str | None, list[UnmappedRow]] = {None: []}
    spellings: dict[str, str] = {}
    for row in rows:
        provider = mapping.provider(row.provider)
        if provider is None and row.provider and (key := provider_key(row.provider)):
            provider = spellings.setdefault(key, row.provider)
        by_provider.setdefault(provider, []).append(row)
    lines = [
        f"# Statuses without a rule, from {name}, the most frequent first.",
        f"# Replace every {FILL_IN} by the value of the texts under it. Move a text that has",
        "# another value under that value; delete the texts that should have no rule. The values:",
        f"# {', '.join(VALUES)}.",
    ]
    lines += _section_lines(None, by_provider.pop(None), mapping, "")
    if by_provider:
        lines.append("providers:")
    for provider, provider_rows in by_provider.items():
        lines.append(f"  {yaml_scalar(provider or '')}:")
        lines += _section_lines(provider, provider_rows, mapping, "    ")
    return "\n".join(lines) + "\n"


def _section_lines(
    provider: str | None, rows: Iterable[UnmappedRow], mapping: Mapping, indent: str
) -> list[str]:
    counts: Counter[_Suggestion] = Counter()
    first_spellings: dict[tuple[Kind, str], _Suggestion] = {}
    comments: list[str] = []
    for row in rows:
        suggestion = _suggestion(provider, row.source_value)
        if isinstance(suggestion, str):
            text = quoted(row.source_value)
            comments.append(f"{indent}# {_times(row.count)}: {text}: {suggestion}")
            continue
        kind, text = suggestion
        key = normalise_label(text) if kind == "label" else text
        counts[first_spellings.setdefault((kind, key), suggestion)] += row.count
    lines: list[str] = []
    for section, kind in SECTIONS.items():
        rules = [(text, count) for (of, text), count in counts.most_common() if of == kind]
        if rules:
            lines += [f"{indent}{section}:", f"{indent}  {FILL_IN}:"]
        for text, count in rules:
            similar = _similar_labels(provider, text, mapping) if kind == "label" else ""
            scalar = text if kind == "boolean" else quoted(text)
            lines.append(f"{indent}    - {scalar}  # {_times(count)}{similar}")
    return lines + comments


def _suggestion(provider: str | None, text: str) -> _Suggestion | str:
    """Returns the rule for a text, or the reason if no rule is possible."""
    key = normalise_label(text)
    if not key:
        return "blank"
    if key == OVERLONG or len(text) >= MAX_LABEL:
        return "too long for a rule"
    if text in ("true", "false"):
        return ("boolean", text) if provider else "a boolean needs a provider"
    if text[0] in "[{":
        code, noun = _id_of_object(text), "an id"
        if code is None:
            return "has no label that could be mapped"
    elif _NUMBER.fullmatch(text) and re.search("[.eE]", text):
        # 10.0 and 1e1 are the number 10.
        code, noun = number_code(text), "a number"
        if code is None:
            return f"no whole number of at most {MAX_CODE_DIGITS} digits"
    elif is_number_like(key):
        code, noun = text.strip(), "a number"
    elif provider is None and needs_provider(key):
        return "a single letter or a boolean needs a provider"
    else:
        return "label", text.strip()
    return ("code", code) if provider else f"{noun} needs a provider"


def _id_of_object(text: str) -> str | None:
    try:
        ids = parts(text.encode()).ids
    except (msgspec.DecodeError, RecursionError):
        return None
    return next((code for part in ids if (code := id_code(part.json))), None)


def _similar_labels(provider: str | None, text: str, mapping: Mapping) -> str:
    tables = (*mapping.provider_tables(provider), *mapping.global_tables)
    rules = {key: rule for table in reversed(tables) for key, rule in table.labels.items()}
    keys = difflib.get_close_matches(normalise_label(text), rules, n=3)
    similar = ", ".join(f"{quoted(rules[key].text)} ({rules[key].value})" for key in keys)
    return f"; near: {similar}" if similar else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
