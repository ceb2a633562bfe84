"""The table of cases detects a change of each rule and of each part of the algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from schemas.mapping import tables
from schemas.mapping.file import Entry
from schemas.mapping.normalise import Spellings, normalise_label
from schemas.mapping.tables import Mapping, Rule, Table, built_in_file
from tests.transforms.derive_cases import CASES, difference, differences
from transforms.derive import lookup, source_value
from transforms.derive.lookup import Hit, RuleLookup, Scope
from transforms.derive.rules import Deriver
from transforms.derive.source_value import Parts, number_code, parts

FILE = built_in_file()
MAPPING = Mapping((FILE,))
Patch = Callable[[pytest.MonkeyPatch], object]


def with_entries(entries: list[Entry]) -> Mapping:
    return Mapping((FILE._replace(entries=tuple(entries)),))


def test_all_cases_pass_without_a_mutation() -> None:
    assert differences(Deriver(MAPPING)) == []


@pytest.mark.parametrize("position", range(len(FILE.providers)))
def test_swapping_the_tables_of_two_providers_is_detected(position: int) -> None:
    one = FILE.providers[position].name
    other = FILE.providers[position - 1].name
    swapped = {one: other, other: one}
    entries = [
        entry._replace(provider=swapped.get(entry.provider, entry.provider))
        if entry.provider
        else entry
        for entry in FILE.entries
    ]
    assert differences(Deriver(with_entries(entries)))


def test_dropping_any_rule_is_detected() -> None:
    undetected = []
    for position, entry in enumerate(FILE.entries):
        deriver = Deriver(with_entries([*FILE.entries[:position], *FILE.entries[position + 1 :]]))
        cases = [case for case in CASES if case.provider == entry.provider]
        if not any(difference(deriver, case) for case in cases):
            undetected.append(entry.text)
    # Each of these is the other one without its accent.
    assert undetected == ["archive", "archivé"]


def _global_tables_first(patch: pytest.MonkeyPatch) -> None:
    original = RuleLookup.__init__

    def swapped(self: RuleLookup, mapping: Mapping, provider: str | None, *others: Any) -> None:
        original(self, mapping, provider, *others)
        self._provider_tables, self._global_tables = self._global_tables, self._provider_tables

    patch.setattr(RuleLookup, "__init__", swapped)


def _boolean_as_number(patch: pytest.MonkeyPatch) -> None:
    def as_number(self: RuleLookup, text: str, path: str) -> Hit | None:
        return self._number("1" if text == "true" else "0", path)

    patch.setattr(RuleLookup, "_boolean", as_number)


def _boolean_as_text(patch: pytest.MonkeyPatch) -> None:
    def boolean(self: Table, flag: bool) -> Rule | None:
        return self.codes.get(str(int(flag))) or self.booleans.get(flag)

    patch.setattr(Table, "boolean", boolean)


def _code_by(change: Callable[[str], str]) -> Patch:
    def code(self: Table, code: str) -> Rule | None:
        return self.codes.get(change(code))

    def mutate(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Table, "code", code)
        # The keys of the tables may lack a changed code.
        patch.setitem(vars(MAPPING), "keys", _Everything())

    return mutate


class _Everything(frozenset[str]):
    def isdisjoint(self, other: Iterable[object], /) -> bool:
        return False


def _spellings(*names: str) -> Patch:
    def label(self: Table, text: Spellings) -> Rule | None:
        for name in names:
            labels = self.bare_labels if "bare" in name else self.labels
            rule = labels.get(getattr(text, name))
            if rule is not None:
                return rule
        return None

    return lambda patch: patch.setattr(Table, "label", label)


def _number_codes_by(code: Callable[[str], str | None]) -> Patch:
    return lambda patch: patch.setattr(lookup, "number_code", code)


def _changed_parts(change: Callable[[Parts], Parts]) -> Patch:
    return lambda patch: patch.setattr(lookup, "parts", lambda json: change(parts(json)))


def _one_element_is_enough(patch: pytest.MonkeyPatch) -> None:
    def any_element(
        self: RuleLookup, json: bytes, path: str, depth: int, scope: Scope
    ) -> Hit | None:
        hits = (
            self.source(e.json, path, depth + 1) for e in source_value.elements_with_content(json)
        )
        return next((hit for hit in hits if hit), None)

    patch.setattr(RuleLookup, "_array", any_element)


def _no_ids(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RuleLookup, "_ids", lambda *args: None)


def _ids_first(patch: pytest.MonkeyPatch) -> None:
    original = RuleLookup._object

    def ids_first(self: RuleLookup, json: bytes, path: str, depth: int, scope: Scope) -> Hit | None:
        hit = self._ids(parts(json).ids, path, depth, json)
        return hit or original(self, json, path, depth, scope)

    patch.setattr(RuleLookup, "_object", ids_first)


def _ids_last(patch: pytest.MonkeyPatch) -> None:
    original, ids = RuleLookup._object, RuleLookup._ids

    def ids_last(self: RuleLookup, json: bytes, path: str, depth: int, scope: Scope) -> Hit | None:
        hit = original(self, json, path, depth, scope)
        return hit or ids(self, parts(json).ids, path, depth, json)

    patch.setattr(RuleLookup, "_object", ids_last)
    patch.setattr(RuleLookup, "_ids", lambda *args: None)


def _without_leading_zeros(code: str) -> str:
    return code.lstrip("0") or "0"


def _unmapped_rules_ignored(patch: pytest.MonkeyPatch) -> None:
    original = Table.label

    def label(self: Table, text: Spellings) -> Rule | None:
        rule = original(self, text)
        return None if rule is None or rule.value == "unmapped_value" else rule

    patch.setattr(Table, "label", label)


def _labels_first_to_last(members: Parts) -> Parts:
    return members._replace(labels=members.labels[::-1])


def _ids_as_labels(members: Parts) -> Parts:
    return members._replace(labels=[*members.labels, *members.ids])


def _no_attributes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(source_value, "_DESCRIPTORS", ())
    patch.setattr(lookup, "parts", source_value._parts)


def _no_source_values(members: Parts) -> Parts:
    return members._replace(source=[])


def _no_containers(members: Parts) -> Parts:
    labels = [part for part in members.labels if part.json[0] not in b"[{"]
    return members._replace(labels=labels, references=[])


def _references_as_labels(members: Parts) -> Parts:
    return members._replace(labels=[*members.labels, *members.references])


def _flags_as_labels(members: Parts) -> Parts:
    return members._replace(labels=[*members.labels, *members.flags])


MUTATIONS: dict[str, Patch] = {
    "the tables for all providers precede the provider's": _global_tables_first,
    "a boolean is the number 0 or 1": _boolean_as_number,
    "a boolean has a code": _boolean_as_text,
    "codes are normalised": _code_by(normalise_label),
    "codes lose leading zeros": _code_by(_without_leading_zeros),
    "codes are padded": _code_by(lambda code: code.zfill(3)),
    "no spelling split at boundaries": _spellings("plain", "bare"),
    "no spelling without accents": _spellings("plain", "split"),
    "a number's code is its text": _number_codes_by(lambda text: text),
    "a fraction is truncated": _number_codes_by(lambda text: text.split(".")[0]),
    "a number loses its sign": _number_codes_by(lambda text: number_code(text.lstrip("-"))),
    "a number's exponent is ignored": _number_codes_by(
        lambda text: number_code(text.lower().split("e")[0])
    ),
    "one element of an array is enough": _one_element_is_enough,
    "ids are ignored": _no_ids,
    "ids come before labels": _ids_first,
    "ids come after the labels for all providers": _ids_last,
    "the last label comes first": _changed_parts(_labels_first_to_last),
    "ids are labels": _changed_parts(_ids_as_labels),
    "containers are not searched": _changed_parts(_no_containers),
    "a reference under the id is a label": _changed_parts(_references_as_labels),
    "a boolean in an object is a label": _changed_parts(_flags_as_labels),
    "the attributes of a reference are ignored": _no_attributes,
    "a text may follow a code at every provider": _code_by(tables._code_before_text),
    "no text may follow a code": _code_by(lambda code: code),
    "an object with a source_value is an object like any other": _changed_parts(_no_source_values),
    "a Workday id is an element": lambda patch: patch.setattr(
        source_value, "is_workday_id", lambda json: False
    ),
    "less deep": lambda patch: patch.setattr(source_value, "MAX_CONTAINER_DEPTH", 3),
    "deeper": lambda patch: patch.setattr(source_value, "MAX_CONTAINER_DEPTH", 5),
    "everything has content": lambda patch: patch.setattr(
        "transforms.derive.rules.filled_text", source_value.text_of
    ),
    "a rule for unmapped_value is ignored": _unmapped_rules_ignored,
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_is_detected(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTATIONS[mutation](monkeypatch)
    assert differences(Deriver(MAPPING))
