"""`mapping suggest`: a mapping file to fill in, from the unmapped statuses of a run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from pipeline.mapping.explain import derive_case
from pipeline.mapping.formatting import nearest_provider, quoted, yaml_scalar
from pipeline.report import share_text
from schemas.errors import UsageError
from schemas.mapping import (
    FILL_IN,
    MAX_LABEL,
    OVERLONG,
    SECTIONS,
    VALUES,
    Case,
    Kind,
    Mapping,
    is_number_like,
    needs_provider,
    normalise_label,
    provider_key,
    similar,
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
    asked = _Asked(mapping, sum(row.count for row in rows))
    for row in rows:
        asked.add(row)
    return "\n".join(_lines(asked, name)) + "\n"


class _Asked:
    """The rows of a report that need a rule, by provider.

    A provider without a table may be one that has a table, under another name. Then its statuses
    are those of the known provider, and only the ones without a rule there are asked for.

    Attributes:
        mapping: The tables in force.
        total: The count of all rows of the report, mapped or not.
        rows: The rows to ask for, by the usual name of the provider or as it was sent.
        names: For a known provider, the names to add and their counts.
    """

    def __init__(self, mapping: Mapping, total: int) -> None:
        self.mapping = mapping
        self.total = total
        self._spellings: dict[str, str] = {}
        self.rows: dict[str | None, list[UnmappedRow]] = {}
        self.names: dict[str, Counter[str]] = {}

    def add(self, row: UnmappedRow) -> None:
        """Adds a row, unless a rule maps its text."""
        provider = self._provider(row)
        if not _is_mapped(provider, row.source_value, self.mapping):
            self.rows.setdefault(provider, []).append(row)

    def times(self, count: int) -> str:
        """Returns a count in words, and its share of all rows of the report."""
        times = "once" if count == 1 else f"{count} times"
        return f"{times}, {share_text(count / max(self.total, 1))}"

    def _provider(self, row: UnmappedRow) -> str | None:
        known = self.mapping.provider(row.provider)
        key = provider_key(row.provider or "")
        if known is not None or not row.provider or not key:
            return known
        name = self._spellings.setdefault(key, row.provider)
        near = nearest_provider(name, self.mapping)
        if near is None:
            return name
        self.names.setdefault(near, Counter())[name] += row.count
        return near


def _lines(asked: _Asked, name: str) -> Iterator[str]:
    if not asked.rows and not asked.names:
        yield "# Every status has a rule: there is nothing to fill in."
        return
    yield f"# Statuses without a rule, from {name}, the most frequent first, with their shares of"
    yield "# the events whose status had no rule in that run."
    if asked.rows:
        yield f"# Replace every {FILL_IN} by the value of the texts under it. Move a text that has"
        yield "# another value under that value; delete the texts that have no value. The values:"
        yield f"# {', '.join(VALUES)}."
    if asked.names:
        yield "# Check each text under `names`: it is similar to the name of the provider above it."
        yield "# If it is another system, give it a table of its own under `providers`."
    yield from _section_lines(asked, None, asked.rows.pop(None, []), "")
    providers = [provider or "" for provider in dict.fromkeys([*asked.rows, *asked.names])]
    if providers:
        yield "providers:"
    for provider in providers:
        yield f"  {yaml_scalar(provider)}:"
        if provider in asked.names:
            yield "    names:"
        for other_name, count in asked.names.get(provider, Counter()).most_common():
            yield f"      - {quoted(other_name)}  # {asked.times(count)}"
        yield from _section_lines(asked, provider, asked.rows.get(provider, []), "    ")


def _is_mapped(provider: str | None, text: str, mapping: Mapping) -> bool:
    """Returns True if a rule maps a text of a report: the JSON that it is, or the string."""
    try:
        kind = type(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        kind = str
    json_text = json.dumps(text) if kind in (str, type(None)) else text
    derived = derive_case(Case(provider=provider, source_value=json_text), mapping)
    return derived.derivation not in ("unmapped", "absent")


def _section_lines(
    asked: _Asked, provider: str | None, rows: Iterable[UnmappedRow], indent: str
) -> list[str]:
    counts: Counter[_Suggestion] = Counter()
    first_spellings: dict[tuple[Kind, str], _Suggestion] = {}
    comments: list[str] = []
    for row in rows:
        suggestion = _suggestion(provider, row.source_value)
        if isinstance(suggestion, str):
            text = quoted(row.source_value)
            comments.append(f"{indent}# {asked.times(row.count)}: {text}: {suggestion}")
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
            near = _near_labels(provider, text, asked.mapping) if kind == "label" else ""
            scalar = text if kind == "boolean" else quoted(text)
            lines.append(f"{indent}    - {scalar}  # {asked.times(count)}{near}")
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


def _near_labels(provider: str | None, text: str, mapping: Mapping) -> str:
    tables = (*mapping.provider_tables(provider), *mapping.global_tables)
    rules = {key: rule for table in reversed(tables) for key, rule in table.labels.items()}
    near = [f"{quoted(rules[key].text)} ({rules[key].value})" for key in similar(text, rules, 3)]
    return f"; near: {', '.join(near)}" if near else ""
