"""Parses a file of mapping cases: fields of an event, and the status that they should have.

The keys of a case are those of an output record. `source_value` may be any JSON; its numbers keep
their digits.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

import yaml

from schemas.mapping.file import VALUES
from schemas.mapping.problems import MappingError, Problem
from schemas.mapping.yaml_nodes import (
    NodeReader,
    compose,
    converted,
    is_null,
    known_hint,
    line_of,
    yaml_type,
)

_TEXTS: Final = ("provider", "event_type", "given_value", "legacy_status")
_KEYS: Final = ("provider", "source_value", "value", "given_value", "legacy_status", "event_type")
_JSON_LITERALS: Final = ("null", "true", "false")
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_DEPTH: Final = 200
_EXAMPLE: Final = "For example: `- {provider: workable, source_value: closed, value: internal}`."


class Case(NamedTuple):
    """A case. All inputs are optional, as in an event.

    Attributes:
        value: The expected status; None for no status.
        source_value: The JSON text of the source value; None if it is missing.
        given_value: The incoming `value`.
        legacy_status: The job's deprecated `status`.
        line: Its line in the file, from 1.
    """

    value: str | None = None
    provider: str | None = None
    source_value: str | None = None
    given_value: str | None = None
    legacy_status: str | None = None
    event_type: str | None = None
    line: int = 1


def parse_cases(text: str, name: str) -> list[Case]:
    """Parses the YAML of a file of cases; messages call it `name`.

    Raises:
        MappingError: It is not a list of cases, or has none; lists every problem.
    """
    root = compose(text, name)
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        raise MappingError.of(name, [Problem(1, "", "expected a list of cases", _EXAMPLE)])
    reader = _Reader()
    cases = [reader.case(node) for node in root.value]
    if reader.problems:
        raise MappingError.of(name, reader.problems, "test")
    return cases


class _Reader(NodeReader):
    def case(self, node: yaml.Node) -> Case:
        """Returns the case of a node; reports its problems."""
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, "", "expected a case", _EXAMPLE)
            return Case()
        found: dict[str, str | None] = {}
        count = len(self.problems)
        for key, child in self.members(node, "", _KEYS):
            if key == "source_value":
                found[key] = self._json(child, key, 1)
            elif key == "value":
                found[key] = self._value(child)
            else:
                found[key] = None if is_null(child) else self.text(child, key)
        if "value" not in found and len(self.problems) == count:
            hint = "Write the expected status, or null if the event has none."
            self.problem(node, "", "the case has no `value`", hint)
        return Case(**found, line=line_of(node))

    def _value(self, node: yaml.Node) -> str | None:
        if is_null(node):
            return None
        text = self.text(node, "value")
        if text is not None and text not in VALUES:
            self.problem(node, "value", f"unknown value `{text}`", known_hint(text, VALUES))
        return text

    def _json(self, node: yaml.Node, path: str, depth: int) -> str:
        """Returns the JSON text of a node; reports what YAML readers do not agree on."""
        if depth > _MAX_DEPTH:
            self.problem(node, path, f"nested more than {_MAX_DEPTH} deep")
        elif isinstance(node, yaml.SequenceNode):
            return f"[{', '.join(self._json(item, path, depth + 1) for item in node.value)}]"
        elif isinstance(node, yaml.MappingNode):
            members = (
                f"{_quoted(key)}: {self._json(child, f'{path}.{key}', depth + 1)}"
                for key, child in self.members(node, path, None)
            )
            return f"{{{', '.join(members)}}}"
        elif isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return ""

    def _scalar(self, node: yaml.ScalarNode, path: str) -> str:
        text = str(node.value)
        if node.style is None and (text in _JSON_LITERALS or _JSON_NUMBER.fullmatch(text)):
            return text
        kind = yaml_type(node)
        if kind == "str":
            try:
                return _quoted(text)
            except UnicodeError:
                self.problem(node, path, "half of a character (a lone surrogate)")
        elif kind == "null":
            self.problem(node, path, "no value", 'Write null or "", or leave the key out.')
        else:
            message = f"YAML reads `{text}` as {converted(text, kind)}"
            self.problem(node, path, message, f'Write it as in JSON, or in quotes: "{text}".')
        return ""


def _quoted(text: str) -> str:
    # YAML reads the two halves of an escaped character one by one; JSON joins them.
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16")
    return json.dumps(joined, ensure_ascii=False)
