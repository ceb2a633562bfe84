"""Parses and checks a mapping file: the rules that give labels, codes and booleans a status."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import yaml

from schemas.mapping.normalise import MAX_LABEL, OVERLONG, normalise_label, provider_key
from schemas.mapping.problems import MappingError, Problem
from schemas.mapping.yaml_nodes import NodeReader, compose, line_of, yaml_type

VALUES: Final = (
    "published",
    "draft",
    "pending",
    "internal",
    "archived",
    "closed",
    "open",
    "deleted",
    "on_hold",
    "unmapped_value",
)
"""The values of a job status. A rule that means `unmapped_value` ends the search for a rule."""

UNMAPPED: Final = "unmapped_value"
NORMALISED_UNMAPPED: Final = normalise_label(UNMAPPED)

FILL_IN: Final = "FILL_IN"
"""Marks a place in a suggested file where a person must write a value before use."""

Kind = Literal["label", "code", "boolean"]

SECTIONS: Final[dict[str, Kind]] = {"labels": "label", "codes": "code", "booleans": "boolean"}
"""The kind of the rules in each section of a file."""

CODES_WITH_TEXT: Final = "codes_with_text"
"""The key of a provider that writes a text after its codes, as in `110 Filled/Closed`."""

_PROVIDER_KEYS: Final = ("names", CODES_WITH_TEXT, *SECTIONS)
_TOP_KEYS: Final = ("labels", "providers")


class Entry(NamedTuple):
    """A rule as written in a file.

    Attributes:
        provider: The provider's name in the file; None for a rule for all providers.
        kind: The kind of its text: a normalised label, an exact code, or a JSON boolean.
        text: The label or code as written, trimmed; `true` or `false`.
        value: The status that it means.
        line: Its line, from 1.
    """

    provider: str | None
    kind: Kind
    text: str
    value: str
    line: int

    @property
    def key(self) -> str:
        """The text to compare: the normalised label, or the exact code or boolean."""
        return normalise_label(self.text) if self.kind == "label" else self.text


class Provider(NamedTuple):
    """A provider in a file, with its other names as written.

    `codes_with_text` is True if a text may follow its codes, after a space.
    """

    name: str
    names: tuple[str, ...]
    line: int
    codes_with_text: bool = False


class MappingFile(NamedTuple):
    """The checked content of a mapping file."""

    name: str
    providers: tuple[Provider, ...] = ()
    entries: tuple[Entry, ...] = ()


def parse_mapping(text: str, name: str) -> MappingFile:
    """Parses the YAML of a mapping file; messages call it `name`.

    Raises:
        MappingError: It is not YAML, or not a mapping; lists every problem.
    """
    root = compose(text, name)
    parser = _Parser()
    if root is not None:
        parser.parse(root)
    if parser.problems:
        raise MappingError.of(name, parser.problems)
    return MappingFile(name, tuple(parser.providers), tuple(parser.entries))


def is_number_like(text: str) -> bool:
    """Returns True if a text has digits and no letters: it can only be a code."""
    return any(c.isnumeric() for c in text) and not any(c.isalpha() for c in text)


def needs_provider(key: str) -> bool:
    """Returns True if a normalised label is one letter or a boolean: only a provider defines it."""
    return len(key.replace(" ", "")) == 1 or key in ("true", "false")


class _Parser(NodeReader):
    """Collects the providers, rules and problems of one file."""

    def __init__(self) -> None:
        super().__init__()
        self.providers: list[Provider] = []
        self.entries: list[Entry] = []
        self._first_entries: dict[tuple[str | None, Kind, str], Entry] = {}
        self._name_lines: dict[str, int] = {}

    def parse(self, root: yaml.Node) -> None:
        for key, node in self.members(root, "", _TOP_KEYS):
            if key == "labels":
                self._section(node, "labels", None, "label")
            else:
                for name, provider_node in self.members(node, "providers", None):
                    self._provider(name, provider_node)
        self._check_codes()

    def unknown(self, key: str, path: str, known: tuple[str, ...]) -> tuple[str, str]:
        message, hint = super().unknown(key, path, known)
        if known is VALUES:
            message = f"unknown value `{key}`"
        if key == FILL_IN:
            hint = f"Replace it by the value of the texts: {', '.join(known)}."
        elif not path and key in SECTIONS:
            hint = f"Only a provider has {key}: write these under providers.NAME.{key}."
        elif not path and hint.startswith("Known"):
            hint = f"A provider's tables go under `providers:`. {hint}"
        return message, hint

    def _provider(self, name: str, node: yaml.Node) -> None:
        path = f"providers.{name}"
        self._add_name(name, node, path)
        names: list[str] = []
        codes_with_text = False
        for key, child in self.members(node, path, _PROVIDER_KEYS):
            if key == "names":
                for item in self.items(child, f"{path}.names"):
                    text = self.text(item, f"{path}.names")
                    if text is not None and self._add_name(text, item, f"{path}.names"):
                        names.append(text)
            elif key == CODES_WITH_TEXT:
                codes_with_text = self._boolean(child, f"{path}.{key}") == "true"
            else:
                self._section(child, f"{path}.{key}", name, SECTIONS[key])
        self.providers.append(Provider(name, tuple(names), line_of(node), codes_with_text))

    def _add_name(self, name: str, node: yaml.Node, path: str) -> bool:
        """Returns True if a provider's name is new in this file; reports it otherwise."""
        key = provider_key(name)
        if not key:
            self.problem(node, path, f"`{name}` has no letter or digit: a name needs one")
            return False
        if key in self._name_lines:
            first = f"first on line {self._name_lines[key]}"
            hint = "Names are compared without case, spaces and punctuation: keep one."
            self.problem(node, path, f"`{name}` is a provider's name a second time ({first})", hint)
            return False
        self._name_lines[key] = line_of(node)
        return True

    def _section(self, node: yaml.Node, path: str, provider: str | None, kind: Kind) -> None:
        for value, texts in self.members(node, path, VALUES):
            value_path = f"{path}.{value}"
            for item in self.items(texts, value_path):
                if kind == "boolean":
                    text = self._boolean(item, value_path)
                else:
                    text = self.text(item, value_path, allow_integers=True)
                if text is not None:
                    self._add_entry(Entry(provider, kind, text.strip(), value, line_of(item)), path)

    def _add_entry(self, entry: Entry, path: str) -> None:
        problem = _entry_problem(entry)
        if problem is not None:
            self.problems.append(Problem(entry.line, f"{path}.{entry.value}", *problem))
            return
        first = self._first_entries.setdefault((entry.provider, entry.kind, entry.key), entry)
        if first is entry:
            self.entries.append(entry)
        else:
            self._check_agreement(entry, first, path)

    def _check_codes(self) -> None:
        """Reports each code that a label of the same provider contradicts: a string is both."""
        for entry in self.entries:
            if entry.kind == "code":
                key = normalise_label(entry.text)
                label = self._first_entries.get((entry.provider, "label", key), entry)
                self._check_agreement(entry, label, f"providers.{entry.provider}.codes")

    def _check_agreement(self, entry: Entry, first: Entry, path: str) -> None:
        if first.value == entry.value:
            return
        spelling = "" if first.text == entry.text else f", as `{first.text}`"
        message = f"`{entry.text}` is also under {first.value} (line {first.line}{spelling})"
        hint = "Keep it under one value; labels are compared without case and punctuation."
        self.problems.append(Problem(entry.line, f"{path}.{entry.value}", message, hint))

    def _boolean(self, node: yaml.Node, path: str) -> str | None:
        text = "this"
        if isinstance(node, yaml.ScalarNode):
            text = f"`{node.value}`"
            if yaml_type(node) == "bool" and node.value.lower() in ("true", "false"):
                return str(node.value).lower()
        hint = "Write true or false, without quotes; texts go under labels."
        self.problem(node, path, f"{text} is not a boolean", hint)
        return None


def _entry_problem(entry: Entry) -> tuple[str, str | None] | None:
    """Returns the message and the hint if no rule can have the text of an entry."""
    text, key = entry.text, entry.key
    if entry.kind != "label":
        has_length = 1 <= len(text) <= MAX_LABEL
        return None if has_length else (f"a code has 1 to {MAX_LABEL} characters", None)
    if not key:
        return f'"{text}" is empty without punctuation', None
    if key == OVERLONG:
        return f"a label has at most {MAX_LABEL} characters", None
    if is_number_like(key):
        reason = "the same number means different things at different providers"
        hint = f"Write it under providers.{entry.provider or 'NAME'}.codes: {reason}."
        return f"`{text}` is a code, not a label", hint
    if entry.provider is None and needs_provider(key):
        booleans = ", or true without quotes under booleans" if key in ("true", "false") else ""
        message = f"`{text}` needs a provider: letters and booleans exist only for a provider"
        return message, f"Write it under providers.NAME.labels{booleans}."
    return None
