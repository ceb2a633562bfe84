"""Reads YAML as nodes with their lines, and collects the problems of a file.

The base loader of YAML returns nodes: each has its line, and a scalar keeps the text as written.
YAML's other loaders convert some scalars (`010` to 8, `on` to true). The reader reports these: they
need quotes, so that a file means the same to every reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

from schemas.mapping.problems import MappingError, Problem, nearest

_TAG: Final = "tag:yaml.org,2002:"
_RESOLVER: Final = yaml.resolver.Resolver()
_CANONICAL_INTEGER: Final = re.compile("0|-?[1-9][0-9]{0,17}")


def compose(text: str, name: str) -> yaml.Node | None:
    """Parses YAML; returns None if it is empty.

    Raises:
        MappingError: It is not YAML; messages call it `name`.
    """
    line = 1
    try:
        # The loader in C is faster, but deep nesting crashes its process.
        return yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        line = mark.line + 1 if mark else 1
        message = "not YAML: " + " ".join(part for part in (e.context, e.problem) if part)
    except yaml.YAMLError:
        message = "not YAML: it has a character that YAML does not allow"
    except RecursionError:
        message = "nested too deeply"
    raise MappingError.of(name, [Problem(line, "", message)])


class NodeReader:
    """Reads the nodes of one file and collects its problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def members(
        self, node: yaml.Node, path: str, known: tuple[str, ...] | None
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Yields the members of a mapping; reports keys that are unknown, repeated or no texts."""
        if is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            keys = " or ".join(f"`{key}:`" for key in known or ())
            self.problem(node, path, "expected " + ("keys with values" if path else keys))
            return
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self.text(key_node, path)
            if key is None:
                continue
            if key in first_lines:
                message = f"`{key}` is repeated (first on line {first_lines[key]})"
                self.problem(key_node, path, message, "Put everything under one of them.")
            elif known is not None and key not in known:
                self.problem(key_node, path, *self.unknown(key, path, known))
            else:
                yield key, value_node
            first_lines.setdefault(key, line_of(key_node))

    def items(self, node: yaml.Node, path: str) -> list[yaml.Node]:
        """Returns the items of a list; a single text is a list of one, null an empty list."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if not isinstance(node, yaml.MappingNode):
            return [] if is_null(node) else [node]
        self.problem(node, path, "expected a list of texts", "Write [one, another].")
        return []

    def text(self, node: yaml.Node, path: str, *, allow_integers: bool = False) -> str | None:
        """Returns a scalar's text; reports other nodes, and scalars that YAML would convert."""
        if not isinstance(node, yaml.ScalarNode):
            self.problem(node, path, "expected a text")
            return None
        text = str(node.value)
        kind = yaml_type(node)
        is_integer = kind == "int" and _CANONICAL_INTEGER.fullmatch(text) is not None
        if kind == "str" or (allow_integers and is_integer):
            return text
        message = f"YAML reads `{text}` as {converted(text, kind)}"
        self.problem(node, path, message, f'Write it in quotes: "{text}".')
        return None

    def unknown(self, key: str, path: str, known: tuple[str, ...]) -> tuple[str, str]:
        """Returns the message and the hint for an unknown key."""
        return f"unknown key `{key}`", known_hint(key, known)

    def problem(self, node: yaml.Node, path: str, message: str, hint: str | None = None) -> None:
        """Adds a problem at the line of a node."""
        self.problems.append(Problem(line_of(node), path, message, hint))


def known_hint(word: str, known: tuple[str, ...]) -> str:
    """Returns a hint with the most similar known word, or all of them if none is similar."""
    guess = nearest(word, known)
    return f"Did you mean `{guess}`?" if guess else f"Known: {', '.join(known)}."


def line_of(node: yaml.Node) -> int:
    """Returns the line of a node, from 1."""
    return node.start_mark.line + 1


def is_null(node: yaml.Node) -> bool:
    """Returns True for `null`, `~` and an empty place, without quotes."""
    return isinstance(node, yaml.ScalarNode) and yaml_type(node) == "null"


def yaml_type(node: yaml.ScalarNode) -> str:
    """Returns the type that YAML gives a scalar: str, int, float, bool, null, timestamp…"""
    tag = node.tag
    if node.style is None and tag == f"{_TAG}str":
        tag = _RESOLVER.resolve(yaml.ScalarNode, node.value, (True, False))
    return str(tag).removeprefix(_TAG)


def converted(text: str, kind: str) -> str:
    """Describes the value that YAML reads from an unquoted text."""
    if kind not in ("bool", "int", "float"):
        return {"null": "nothing", "timestamp": "a date"}.get(kind, f"something else (tag {kind})")
    try:
        value = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return "a number"
    return f"the boolean {str(value).lower()}" if kind == "bool" else f"the number {value!r}"
