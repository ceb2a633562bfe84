"""Reads and checks a mapping file: which texts, codes and booleans mean which status.

The file is read as YAML nodes, not as values, for two reasons: an error can name the line, and the
text that somebody wrote is still there where YAML would make something else of it (`010` is 8 to
YAML 1.1, `on` is true).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeGuard, cast

import yaml

from schemas.mapping.normalise import MAX_LABEL, OVERLONG, normalise_label, provider_key
from schemas.mapping.problems import MappingError, Problem, nearest

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
"""The members of a job status. A rule that says `unmapped_value` ends the search for one."""

UNMAPPED: Final = "unmapped_value"
NORMALISED_UNMAPPED: Final = normalise_label(UNMAPPED)

FILL_IN: Final = "FILL_IN"
"""Stands where a person has to write a value before a suggested file can be used."""

Kind = Literal["label", "code", "boolean"]

_SECTIONS: Final[dict[str, Kind]] = {"labels": "label", "codes": "code", "booleans": "boolean"}
_PROVIDER_KEYS: Final = ("names", *_SECTIONS)
_TOP_KEYS: Final = ("labels", "providers")
_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_INTEGER: Final = re.compile("0|-?[1-9][0-9]{0,17}")


class Entry(NamedTuple):
    """One rule as it stands in a file.

    Attributes:
        provider: The provider as the file calls it; None for everybody.
        kind: What is compared: a normalised text, a code as it is, or a JSON boolean.
        text: The label or code as written, trimmed; `true` or `false`.
        value: The member it means.
        line: Its line, from 1.
    """

    provider: str | None
    kind: Kind
    text: str
    value: str
    line: int

    @property
    def key(self) -> str:
        """What is compared: the normalised label, or the code or boolean as it is."""
        return normalise_label(self.text) if self.kind == "label" else self.text


class Provider(NamedTuple):
    """A provider that a file names, with its other names as written there."""

    name: str
    names: tuple[str, ...]
    line: int


class MappingFile(NamedTuple):
    """The content of a mapping file, checked by itself."""

    name: str
    providers: tuple[Provider, ...] = ()
    entries: tuple[Entry, ...] = ()


def parse_mapping(text: str, name: str) -> MappingFile:
    """Reads a mapping file.

    Args:
        text: The YAML.
        name: What messages call the file.

    Returns:
        Its content, in the order of the file.

    Raises:
        MappingError: It is not YAML, or not a mapping; names every problem found.
    """
    reader = _Reader()
    reader.read(text)
    if reader.problems:
        raise MappingError.of(name, reader.problems)
    return MappingFile(name, tuple(reader.providers), tuple(reader.entries))


def is_number_like(text: str) -> bool:
    """Whether a text has digits and no letters: such a text can only be a code."""
    return any(c.isnumeric() for c in text) and not any(c.isalpha() for c in text)


def needs_provider(key: str) -> bool:
    """Whether a normalised label says nothing for everybody: one letter, or a boolean as a text."""
    return len(key.replace(" ", "")) == 1 or key in ("true", "false")


class _Reader:
    """Walks the nodes of one file, collecting rules and problems."""

    def __init__(self) -> None:
        self.providers: list[Provider] = []
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self._claims: dict[tuple[str | None, Kind, str], Entry] = {}
        self._provider_lines: dict[str, int] = {}

    def read(self, text: str) -> None:
        try:
            # The loader in C is faster, but deep nesting ends the process.
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as e:
            mark = e.problem_mark or e.context_mark
            what = " ".join(part for part in (e.context, e.problem) if part)
            self._problem(mark.line + 1 if mark else 1, "", f"not YAML: {what}")
        except yaml.YAMLError:
            self._problem(1, "", "not YAML: it holds a character that YAML does not allow")
        except RecursionError:
            self._problem(1, "", "nested too deeply")
        else:
            if root is not None:
                self._root(root)
                self._check_codes()

    def _root(self, root: yaml.Node) -> None:
        for key, node in self._pairs(root, "", _TOP_KEYS):
            if key == "labels":
                self._section(node, "labels", None, "label")
            else:
                for name, provider_node in self._pairs(node, "providers", None):
                    self._provider(name, provider_node)

    def _provider(self, name: str, node: yaml.Node) -> None:
        path, line = f"providers.{name}", _line(node)
        self._claim_name(name, line, path)
        names: list[str] = []
        for key, child in self._pairs(node, path, _PROVIDER_KEYS):
            if key == "names":
                for item in self._items(child, f"{path}.names"):
                    text = self._text(item, f"{path}.names")
                    if text is not None and self._claim_name(text, _line(item), f"{path}.names"):
                        names.append(text)
            else:
                self._section(child, f"{path}.{key}", name, _SECTIONS[key])
        self.providers.append(Provider(name, tuple(names), line))

    def _claim_name(self, name: str, line: int, path: str) -> bool:
        key = provider_key(name)
        if not key:
            self._problem(line, path, f"`{name}` has no letter or digit to know a provider by")
        elif key in self._provider_lines:
            self._problem(
                line,
                path,
                f"`{name}` names a provider a second time (first on line "
                f"{self._provider_lines[key]})",
                "Names are compared without case, spaces and punctuation: keep one.",
            )
        else:
            self._provider_lines[key] = line
            return True
        return False

    def _section(self, node: yaml.Node, path: str, provider: str | None, kind: Kind) -> None:
        read = {"label": self._label, "code": self._code, "boolean": self._boolean}[kind]
        for value, texts in self._pairs(node, path, VALUES):
            for item in self._items(texts, f"{path}.{value}"):
                text = read(item, f"{path}.{value}", provider)
                if text is not None:
                    self._claim(Entry(provider, kind, text, value, _line(item)), path)

    def _claim(self, entry: Entry, path: str) -> None:
        """Takes a rule unless another one of the same table says otherwise."""
        first = self._claims.setdefault((entry.provider, entry.kind, entry.key), entry)
        if first is entry:
            self.entries.append(entry)
        elif first.value != entry.value:
            self._conflict(entry, first, path)

    def _check_codes(self) -> None:
        """Refuses a code that a label of the same table contradicts.

        A string is looked up as both, and which one decides must not depend on an order that nobody
        sees.
        """
        for entry in self.entries:
            if entry.kind == "code":
                label = self._claims.get((entry.provider, "label", normalise_label(entry.text)))
                if label is not None and label.value != entry.value:
                    self._conflict(entry, label, f"providers.{entry.provider}.codes")

    def _conflict(self, entry: Entry, first: Entry, path: str) -> None:
        other = "" if first.text == entry.text else f", as `{first.text}`"
        self._problem(
            entry.line,
            f"{path}.{entry.value}",
            f"`{entry.text}` is claimed by {first.value} too (line {first.line}{other})",
            "Keep it under one value; labels are compared without case and punctuation.",
        )

    def _label(self, node: yaml.Node, path: str, provider: str | None) -> str | None:
        text = node.value if _is_plain_integer(node) else self._text(node, path)
        if text is None:
            return None
        text, key, line = text.strip(), normalise_label(text), _line(node)
        if not key:
            self._problem(line, path, f'"{text}" is empty once punctuation is gone')
        elif key == OVERLONG:
            self._problem(line, path, f"a label has at most {MAX_LABEL} characters")
        elif is_number_like(key):
            self._problem(
                line,
                path,
                f"`{text}` is a code, not a label",
                f"Write it under providers.{provider or 'NAME'}.codes: "
                "the same number means different things at different providers.",
            )
        elif provider is None and needs_provider(key):
            self._problem(
                line,
                path,
                f"`{text}` means nothing by itself: letters and booleans exist only for a provider",
                "Write it under providers.NAME.labels"
                + (", or true without quotes under booleans." if key in ("true", "false") else "."),
            )
        else:
            return text
        return None

    def _code(self, node: yaml.Node, path: str, provider: str | None) -> str | None:
        text = node.value if _is_plain_integer(node) else self._text(node, path)
        if text is None:
            return None
        text = text.strip()
        if not text or len(text) > MAX_LABEL:
            self._problem(_line(node), path, f"a code has 1 to {MAX_LABEL} characters")
            return None
        return text

    def _boolean(self, node: yaml.Node, path: str, provider: str | None) -> str | None:
        if (
            isinstance(node, yaml.ScalarNode)
            and node.tag == f"{_TAG}bool"
            and node.value.lower() in ("true", "false")
        ):
            return str(node.value).lower()
        written = f"`{node.value}`" if isinstance(node, yaml.ScalarNode) else "this"
        self._problem(
            _line(node),
            path,
            f"{written} is not a boolean",
            "Write true or false, without quotes; texts go under labels.",
        )
        return None

    def _pairs(
        self, node: yaml.Node, path: str, known: tuple[str, ...] | None
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Goes through a mapping's keys that are texts, known, and there once; reports the rest."""
        if _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            what = "keys with something under them" if path else "`labels:` or `providers:`"
            self._problem(_line(node), path, f"expected {what}")
            return
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._text(key_node, path)
            if key is None:
                continue
            line = _line(key_node)
            if key in first_lines:
                self._problem(
                    line,
                    path,
                    f"`{key}` stands twice (first on line {first_lines[key]})",
                    "Put everything under one of them.",
                )
            elif known is not None and key not in known:
                self._unknown(key, line, path, known)
            else:
                yield key, value_node
            first_lines.setdefault(key, line)

    def _unknown(self, key: str, line: int, path: str, known: tuple[str, ...]) -> None:
        what = "value" if known is VALUES else "key"
        guess = nearest(key, known)
        hint = f"Did you mean `{guess}`?" if guess else f"Known: {', '.join(known)}."
        if key == FILL_IN:
            hint = f"Replace it by what the texts mean: {', '.join(known)}."
        elif not path and key in _SECTIONS:
            hint = f"Only a provider has {key}: write them under providers.NAME.{key}."
        elif not path and not guess:
            hint = f"A provider's tables go under `providers:`. Known here: {', '.join(known)}."
        self._problem(line, path, f"unknown {what} `{key}`", hint)

    def _items(self, node: yaml.Node, path: str) -> list[yaml.Node]:
        """Returns the items of a list; one text alone counts as a list, nothing as an empty one."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.MappingNode):
            self._problem(_line(node), path, "expected a list of texts", "Write [one, another].")
            return []
        return [] if _is_null(node) else [node]

    def _text(self, node: yaml.Node, path: str) -> str | None:
        """Returns the text of a scalar that YAML takes for a text; reports any other node."""
        if not isinstance(node, yaml.ScalarNode):
            self._problem(_line(node), path, "expected a text")
            return None
        if node.tag == f"{_TAG}str":
            return str(node.value)
        self._problem(
            _line(node),
            path,
            f"YAML takes `{node.value}` for {_what_yaml_reads(node)}",
            f'Write it in quotes: "{node.value}".',
        )
        return None

    def _problem(self, line: int, path: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(line, path, message, hint))


def _line(node: yaml.Node) -> int:
    return cast("int", node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null"


def _is_plain_integer(node: yaml.Node) -> TypeGuard[yaml.ScalarNode]:
    """Whether a node is a number, and YAML reads the very digits that were written."""
    return (
        isinstance(node, yaml.ScalarNode)
        and node.tag == f"{_TAG}int"
        and _PLAIN_INTEGER.fullmatch(node.value) is not None
    )


def _what_yaml_reads(node: yaml.ScalarNode) -> str:
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return "nothing"
    if kind == "timestamp":
        return "a date"
    if kind not in ("bool", "int", "float"):
        return f"something else (tag {node.tag})"
    try:
        value = yaml.safe_load(node.value)
    except (ValueError, yaml.YAMLError):
        return "a number"
    return f"the boolean {str(value).lower()}" if kind == "bool" else f"the number {value!r}"
