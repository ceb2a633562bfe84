"""The mapping tables in force: what a text, a code or a boolean means, and for whom.

There are up to four tables for a provider's status, and the first that knows it decides: the user's
for the provider, the built-in one for the provider, the user's for everybody, the built-in one for
everybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from schemas.mapping.file import VALUES, Entry, Kind, MappingFile, parse_mapping
from schemas.mapping.normalise import Spellings, provider_key, without_accents
from schemas.mapping.problems import MappingError, Problem

__all__ = [
    "BUILT_IN_NAME",
    "VALUES",
    "Mapping",
    "MappingError",
    "Rule",
    "Table",
    "built_in_file",
    "load_mapping",
]

BUILT_IN_NAME: Final = "schemas/mapping/job_status.yaml"


class Rule(NamedTuple):
    """A rule in force.

    Attributes:
        value: The member it says.
        text: The label, code or boolean as somebody wrote it.
        kind: How it is compared.
        provider: The provider it holds for, by its usual name; None for everybody.
        place: File and line.
    """

    value: str
    text: str
    kind: Kind
    provider: str | None
    place: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rules of one file for one provider, or for everybody. Treat its dicts as read-only.

    Attributes:
        title: What people call it.
        labels: Rules by normalised label.
        bare_labels: Rules by normalised label without accents, where that leaves no doubt.
        codes: Rules by code.
        booleans: Rules by boolean.
    """

    title: str
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
        """Finds the rule for a code, which is compared as it is."""
        return self.codes.get(code)

    def boolean(self, flag: bool) -> Rule | None:
        """Finds the rule for a JSON boolean."""
        return self.booleans.get(flag)

    def known(self) -> set[str]:
        """Returns all that is known here, as it is compared; booleans as JSON."""
        booleans = {rule.text for rule in self.booleans.values()}
        return {*self.labels, *self.bare_labels, *self.codes, *booleans}

    def rules(self) -> list[Rule]:
        """Lists the rules: labels, codes, booleans, each in the order of the file."""
        return [*self.labels.values(), *self.codes.values(), *self.booleans.values()]


@dataclass(frozen=True, slots=True)
class Mapping:
    """The tables in force. Immutable; a pickle holds the rules, not the indexes over them.

    Attributes:
        files: Where the rules come from; the first that knows a status decides.
        global_tables: The tables for everybody, in the order of `files`.
        keys: All that any table knows: labels with and without accents, codes, booleans as JSON.
        provider_keys: Those that a provider's table knows. What is not among them means the same
            at every provider.
        fingerprint: 16 hex digits over the rules: neither comments nor the order in a file matter.
    """

    files: tuple[MappingFile, ...]
    global_tables: tuple[Table, ...] = field(init=False, compare=False, repr=False)
    keys: frozenset[str] = field(init=False, compare=False, repr=False)
    provider_keys: frozenset[str] = field(init=False, compare=False, repr=False)
    fingerprint: str = field(init=False, compare=False)
    _tables: dict[str, tuple[Table, ...]] = field(init=False, compare=False, repr=False)
    _usual_names: dict[str, str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = _usual_names(self.files)
        tables: dict[str | None, list[Table]] = {None: []}
        for file in self.files:
            for provider, entries in _by_provider(file, names).items():
                tables.setdefault(provider, []).append(_table(file, provider, entries))
        for_everybody = tuple(tables.pop(None))
        of_providers = _keys(chain.from_iterable(tables.values()))
        object.__setattr__(self, "global_tables", for_everybody)
        object.__setattr__(self, "keys", of_providers | _keys(for_everybody))
        object.__setattr__(self, "provider_keys", of_providers)
        object.__setattr__(self, "_tables", {p: tuple(t) for p, t in tables.items() if p})
        object.__setattr__(self, "_usual_names", names)
        object.__setattr__(self, "fingerprint", _fingerprint(self.files, names))

    def __reduce__(self) -> tuple[type[Mapping], tuple[tuple[MappingFile, ...]]]:
        return Mapping, (self.files,)

    @property
    def providers(self) -> list[str]:
        """The usual names of the providers that have a table, sorted."""
        return sorted(self._tables)

    def provider(self, name: str | None) -> str | None:
        """Returns the usual name of a provider; None if no table is for it.

        Args:
            name: Any of its names, however written; it may come from the data.
        """
        if name is None:
            return None
        usual = self._usual_names.get(provider_key(name))
        return usual if usual in self._tables else None

    def provider_tables(self, name: str | None) -> tuple[Table, ...]:
        """Returns the tables for a provider, in the order in which they are looked at."""
        usual = self.provider(name)
        return () if usual is None else self._tables[usual]

    def other_names(self, usual_name: str) -> list[str]:
        """Returns a provider's other names as written in the files."""
        return [
            name
            for file in self.files
            for provider in file.providers
            if self._usual_names[provider_key(provider.name)] == usual_name
            for name in provider.names
        ]


def load_mapping(user_text: str | None = None, user_name: str = "") -> Mapping:
    """Loads the built-in mapping and, before it, a user's.

    Args:
        user_text: The YAML of the user's file; None for the built-in tables alone.
        user_name: What messages call that file.

    Returns:
        The mapping in force.

    Raises:
        MappingError: The user's file is not a mapping, or gives a provider's name to another one.
    """
    built_in = built_in_file()
    if user_text is None:
        return Mapping((built_in,))
    user = parse_mapping(user_text, user_name or "mapping")
    problems = _foreign_names(user, built_in)
    if problems:
        raise MappingError.of(user.name, problems)
    return Mapping((user, built_in))


@cache
def built_in_file() -> MappingFile:
    """Reads the mapping that comes with the package."""
    file = resources.files(__package__).joinpath("job_status.yaml")
    return parse_mapping(file.read_text("utf-8"), BUILT_IN_NAME)


def _foreign_names(user: MappingFile, built_in: MappingFile) -> list[Problem]:
    """Finds names in the user's file that would make two built-in providers one."""
    names = _usual_names((built_in,))
    problems: list[Problem] = []
    for provider in user.providers:
        usual = names.get(provider_key(provider.name), provider.name)
        for name in provider.names:
            taken = names.get(provider_key(name), usual)
            if taken != usual:
                path = f"providers.{provider.name}.names"
                message = f"`{name}` is a name of {taken} already"
                hint = f"Write its rules under providers.{taken}."
                problems.append(Problem(provider.line, path, message, hint))
    return problems


def _usual_names(files: tuple[MappingFile, ...]) -> dict[str, str]:
    """Returns the usual name of each provider by the key of any of its names."""
    names: dict[str, str] = {}
    for file in reversed(files):
        for provider in file.providers:
            usual = names.setdefault(provider_key(provider.name), provider.name)
            for name in provider.names:
                names.setdefault(provider_key(name), usual)
    return names


def _by_provider(file: MappingFile, names: dict[str, str]) -> dict[str | None, list[Entry]]:
    # A provider without rules has a table all the same: it is known that there is nothing to say.
    entries: dict[str | None, list[Entry]] = {None: []}
    for provider in file.providers:
        entries[names[provider_key(provider.name)]] = []
    for entry in file.entries:
        usual = None if entry.provider is None else names[provider_key(entry.provider)]
        entries[usual].append(entry)
    return entries


def _table(file: MappingFile, provider: str | None, entries: Iterable[Entry]) -> Table:
    table = Table(f"{file.name} for {provider or 'everybody'}")
    doubtful: set[str] = set()
    for entry in entries:
        place = f"{file.name}:{entry.line}"
        rule = Rule(entry.value, entry.text, entry.kind, provider, place)
        if entry.kind == "code":
            table.codes[entry.key] = rule
        elif entry.kind == "boolean":
            table.booleans[entry.key == "true"] = rule
        else:
            table.labels[entry.key] = rule
            bare = without_accents(entry.key)
            if table.bare_labels.setdefault(bare, rule).value != rule.value:
                doubtful.add(bare)
    for bare in doubtful:
        del table.bare_labels[bare]
    return table


def _keys(tables: Iterable[Table]) -> frozenset[str]:
    return frozenset(key for table in tables for key in table.known())


def _fingerprint(files: tuple[MappingFile, ...], names: dict[str, str]) -> str:
    content = []
    with_rules: set[str] = set()
    for file in files:
        rules = sorted(
            (names[provider_key(e.provider)] if e.provider else "", e.kind, e.key, e.value)
            for e in file.entries
        )
        with_rules.update(rule[0] for rule in rules)
        if rules:
            content.append(rules)
    other_names = sorted((key, usual) for key, usual in names.items() if usual in with_rules)
    return hashlib.blake2b(msgspec.json.encode([content, other_names]), digest_size=8).hexdigest()
