"""Finds rules of the user's files that override each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from schemas.mapping.file import Entry
from schemas.mapping.normalise import normalise_label
from schemas.mapping.tables import Mapping

_Key = tuple[str | None, str, str]


class Override(NamedTuple):
    """A rule, and the rule of an earlier file that it overrides with another value.

    `provider` is the usual name of their provider; None if they are for all providers.
    """

    provider: str | None
    file: str
    entry: Entry
    earlier_file: str
    earlier: Entry


def find_overrides(mapping: Mapping) -> Iterator[Override]:
    """Yields the rules of the user's files that a later one overrides, by file and line."""
    in_force: dict[_Key, tuple[str, Entry]] = {}
    for file in reversed(mapping.files[:-1]):
        added: dict[_Key, tuple[str, Entry]] = {}
        for entry in file.entries:
            provider = mapping.provider(entry.provider)
            same, as_other = _keys(provider, entry)
            for key in (same, as_other):
                earlier = in_force.get(key)
                if earlier is not None and earlier[1].value != entry.value:
                    yield Override(provider, file.name, entry, *earlier)
                    break
            added[same] = file.name, entry
            if entry.kind == "code":
                added[(provider, "code of text", normalise_label(entry.text))] = file.name, entry
        in_force |= added


def _keys(provider: str | None, entry: Entry) -> tuple[_Key, _Key]:
    """Returns the keys of the rules that an entry overrides: of its own kind and of the other.

    A string is both a label and a code, so a code overrides a label of the same text.
    """
    other = {"label": "code of text", "code": "label", "boolean": ""}[entry.kind]
    return (provider, entry.kind, entry.key), (provider, other, normalise_label(entry.text))
