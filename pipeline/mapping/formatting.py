"""Formats texts and rules for all subcommands of `job-status mapping`."""

from __future__ import annotations

import json
import re
from typing import Final

import yaml

from schemas.mapping import Kind, Mapping, Rule, Table, similar

_PROVIDER_CUTOFF: Final = 0.8
"""Similarity of two names of a provider: higher than for other words, as many names are alike."""

_PLAIN: Final = re.compile(r"[^\W\d_](?:[\w -]*\w)?")


def quoted(text: str) -> str:
    """Quotes a text as JSON, with YAML's escapes for other characters that are not printable."""
    encoded = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in encoded)


def yaml_scalar(text: str) -> str:
    """Writes a text as a YAML scalar, without quotes if YAML reads the same text from it."""
    is_plain = _PLAIN.fullmatch(text) is not None and text.isprintable()
    return text if is_plain and yaml.safe_load(text) == text else quoted(text)


def rule_text(rule: Rule) -> str:
    """Describes a rule: its kind, its text and its value."""
    return f"{rule.kind} {quoted(rule.text)} means {rule.value}"


def rules_of(table: Table, kind: Kind) -> dict[str, Rule]:
    """Returns the rules of one kind by the text to compare."""
    booleans = {rule.text: rule for rule in table.booleans.values()}
    return {"label": table.labels, "code": table.codes, "boolean": booleans}[kind]


def nearest_provider(name: str, mapping: Mapping) -> str | None:
    """Returns the usual name of the provider with the most similar name, if one is similar."""
    usual = {
        name: provider
        for provider in mapping.providers
        for name in (provider, *mapping.other_names(provider))
    }
    return next((usual[each] for each in similar(name, usual, 1, _PROVIDER_CUTOFF)), None)


def did_you_mean(name: str, mapping: Mapping) -> str:
    """Returns a question about the provider with the most similar name, if one is similar."""
    guess = nearest_provider(name, mapping)
    return f"; did you mean {guess}?" if guess else ""
