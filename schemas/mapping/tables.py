"""The mapping tables in force: the rules of the mapping files, indexed for look-ups.

A provider's status is compared with several tables, and the first that has a rule decides: the
user's for the provider, the built-in one for the provider, the user's for all providers, the
built-in one for all providers. Of several files of the user, the last one comes first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from itertools import chain, groupby
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from schemas.mapping.file import Entry, Kind, MappingFile, parse_mapping
from schemas.mapping.normalise import (
    Spellings,
    provider_key,
    provider_name_keys,
    without_accents,
)
from schemas.mapping.problems import MappingError, Problem

BUILT_IN_NAME: Final = "schemas/mapping/job_status.yaml"


class Rule(NamedTuple):
    """A rule in force: the status that a text, as written at a place in a file, means.

    `provider` is the usual name of its provider; None for a rule for all providers.
    """

    value: str
    text: str
    kind: Kind
    provider: str | None
    place: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rules of one file for one provider, or for all. Treat its dicts as read-only.

    Labels are normalised. `bare_labels` has them without accents, where these agree on a status.
    With `codes_with_text`, a code is found also if a space and a text follow it.
    """

    title: str
    codes_with_text: bool = False
    labels: dict[str, Rule] = field(default_factory=dict)
    bare_labels: dict[str, Rule] = field(default_factory=dict)
    codes: dict[str, Rule] = field(default_factory=dict)
    booleans: dict[bool, Rule] = field(default_factory=dict)

    def label(self, text: Spellings) -> Rule | None:
        """Finds the rule for a text."""
        plain, split, bare, bare_split = text
        rule = self.labels.get(plain) or (self.labels.get(split) if split is not plain else None)
        # Most texts are the same in all their forms.
        return rule or (
            self.bare_labels.get(bare)
            or (self.bare_labels.get(bare_split) if bare_split is not bare else None)
        )

    def code(self, code: str) -> Rule | None:
        """Finds the rule for a code."""
        rule = self.codes.get(code)
        if rule is None and self.codes_with_text:
            rule = self.codes.get(_code_before_text(code))
        return rule

    def boolean(self, flag: bool) -> Rule | None:
        """Finds the rule for a JSON boolean."""
        return self.booleans.get(flag)


@dataclass(frozen=True)
class Mapping:
    """The tables in force. Immutable; a pickle holds the rules and not the indexes.

    Attributes:
        files: The sources of the rules; the first with a rule for a status decides.

    Examples:
        >>> from schemas import Mapping, load_mapping
        >>> mapping: Mapping = load_mapping()
        >>> mapping.provider("Bamboo HR"), mapping.provider("unheard of")
        ('bamboohr', None)
    """

    files: tuple[MappingFile, ...]

    def __reduce__(self) -> tuple[type[Mapping], tuple[tuple[MappingFile, ...]]]:
        return Mapping, (self.files,)

    @cached_property
    def global_tables(self) -> tuple[Table, ...]:
        """The tables for all providers, in the order of `files`."""
        return self._tables[None]

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all tables: labels with and without accents, codes, booleans as JSON."""
        return _keys(chain.from_iterable(self._tables.values()))

    @cached_property
    def codes_before_text(self) -> frozenset[str]:
        """The codes that a text may follow at some provider."""
        tables = chain.from_iterable(self._tables.values())
        return frozenset(chain.from_iterable(t.codes for t in tables if t.codes_with_text))

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over the rules of each provider, in the order in which they are searched.

        Comments and the order in a file do not change it.
        """
        by_provider: dict[str, list[list[tuple[str, ...]]]] = {}
        for file in self.files:
            rules = sorted(
                (self._usual_name(e.provider) or "", e.kind, e.key, e.value) for e in file.entries
            )
            for provider, group in groupby(rules, itemgetter(0)):
                by_provider.setdefault(provider, []).append([rule[1:] for rule in group])
        names = sorted(name for name in self._usual_names.items() if name[1] in by_provider)
        with_text = sorted(by_provider.keys() & self._with_text)
        everything = msgspec.json.encode([sorted(by_provider.items()), names, with_text])
        return hashlib.blake2b(everything, digest_size=8).hexdigest()

    @property
    def providers(self) -> list[str]:
        """The usual names of the providers that have a table, sorted."""
        return sorted(filter(None, self._tables))

    def provider(self, name: str | None) -> str | None:
        """Returns the usual name of an event's provider; None if it has no table."""
        usual_names = self._providers(name)
        return usual_names[0] if usual_names else None

    def provider_tables(self, name: str | None) -> tuple[Table, ...]:
        """Returns the tables for an event's provider, in the order in which they are searched.

        If the whole name has tables and the name without a suffix has others, these follow.
        """
        usual_names = self._providers(name)
        if len(usual_names) > 1:
            return tuple(chain.from_iterable(self._tables[usual] for usual in usual_names))
        return self._tables[usual_names[0]] if usual_names else ()

    def other_names(self, usual_name: str) -> list[str]:
        """Returns a provider's other names as written in the files."""
        return [
            name
            for file in self.files
            for provider in file.providers
            if self._usual_name(provider.name) == usual_name
            for name in provider.names
        ]

    @cached_property
    def _usual_names(self) -> dict[str, str]:
        """The usual name of each provider by the key of any of its names."""
        names: dict[str, str] = {}
        for file in reversed(self.files):
            for provider in file.providers:
                usual = names.setdefault(provider_key(provider.name), provider.name)
                for name in provider.names:
                    names.setdefault(provider_key(name), usual)
        return names

    def _providers(self, name: str | None) -> list[str]:
        """Returns the usual names for an event's provider, the best match first."""
        usual_names: list[str] = []
        if name is None:
            return usual_names
        for key in provider_name_keys(name):
            usual = self._usual_names.get(key)
            if usual is not None and usual not in usual_names:
                usual_names.append(usual)
        return usual_names

    def _usual_name(self, provider: str | None) -> str | None:
        return None if provider is None else self._usual_names.get(provider_key(provider))

    @cached_property
    def _with_text(self) -> frozenset[str]:
        """The usual names of the providers that write a text after their codes."""
        providers = (provider for file in self.files for provider in file.providers)
        names = (self._usual_name(p.name) for p in providers if p.codes_with_text)
        return frozenset(filter(None, names))

    @cached_property
    def _tables(self) -> dict[str | None, tuple[Table, ...]]:
        tables: dict[str | None, tuple[Table, ...]] = {}
        for file in self.files:
            # A listed provider without rules gets an empty table: it counts as known.
            by_provider: dict[str | None, list[Entry]] = {None: []}
            for provider in file.providers:
                by_provider[self._usual_name(provider.name)] = []
            for entry in file.entries:
                by_provider[self._usual_name(entry.provider)].append(entry)
            for usual, entries in by_provider.items():
                table = _table(file, usual, entries, usual in self._with_text)
                tables[usual] = (*tables.get(usual, ()), table)
        return tables


def load_mapping(user_text: str | None = None, user_name: str = "") -> Mapping:
    """Loads the built-in mapping and, before it, the YAML of a user's file, if there is one.

    Args:
        user_text: YAML text of the user's rules, or None.
        user_name: Name of the file in messages.

    Returns:
        The mapping; the user's rules precede the built-in ones.

    Raises:
        UsageError: The user's file is not a mapping, or gives a provider's name to another one.

    Examples:
        >>> from schemas import load_mapping
        >>> mapping = load_mapping("providers: {our own system: {labels: {open: [Go]}}}")
        >>> mapping.provider("Our own system")
        'our own system'
        >>> len(mapping.providers) - len(load_mapping().providers)
        1
    """
    return merge_files(
        () if user_text is None else [parse_mapping(user_text, user_name or "mapping")]
    )


def merge_files(user_files: Iterable[MappingFile]) -> Mapping:
    """Puts the user's files before the built-in one, each before the earlier ones.

    Raises:
        MappingError: A file gives the name of a provider to another one.
    """
    mapping = Mapping((built_in_file(),))
    for file in user_files:
        problems = _conflicting_names(file, mapping)
        if problems:
            raise MappingError.of(file.name, problems)
        mapping = Mapping((file, *mapping.files))
    return mapping


@cache
def built_in_file() -> MappingFile:
    """Parses the mapping of the package."""
    file = resources.files(__package__).joinpath("job_status.yaml")
    return parse_mapping(file.read_text("utf-8"), BUILT_IN_NAME)


def _conflicting_names(user: MappingFile, earlier: Mapping) -> list[Problem]:
    """Finds the names in a user's file that would merge two providers of earlier files."""
    problems: list[Problem] = []
    for provider in user.providers:
        usual = earlier._usual_name(provider.name) or provider.name
        for name in provider.names:
            other = earlier._usual_name(name) or usual
            if other != usual:
                message = f"`{name}` is a name of {other} already"
                hint = f"Write its rules under providers.{other}."
                path = f"providers.{provider.name}.names"
                problems.append(Problem(provider.line, path, message, hint))
    return problems


def _table(
    file: MappingFile, provider: str | None, entries: Iterable[Entry], codes_with_text: bool
) -> Table:
    table = Table(f"{file.name} for {provider or 'all providers'}", codes_with_text)
    ambiguous: set[str] = set()
    for entry in entries:
        rule = Rule(entry.value, entry.text, entry.kind, provider, f"{file.name}:{entry.line}")
        if entry.kind == "code":
            table.codes[entry.key] = rule
        elif entry.kind == "boolean":
            table.booleans[entry.key == "true"] = rule
        else:
            table.labels[entry.key] = rule
            bare = without_accents(entry.key)
            if table.bare_labels.setdefault(bare, rule).value != rule.value:
                ambiguous.add(bare)
    for bare in ambiguous:
        del table.bare_labels[bare]
    return table


def _code_before_text(text: str) -> str:
    """Returns the code in a text like `110 Filled/Closed`; another text as it is."""
    code, _, more = text.partition(" ")
    return code if any(map(str.isalpha, more)) else text


def _keys(tables: Iterable[Table]) -> frozenset[str]:
    keys: set[str] = set()
    for table in tables:
        keys.update(table.labels, table.bare_labels, table.codes)
        keys.update(rule.text for rule in table.booleans.values())
    return frozenset(keys)
