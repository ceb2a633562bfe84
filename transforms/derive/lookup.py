"""Finds the rule for a source value in the mapping tables.

Deriving a status and explaining it run the same code: with a list for the steps, each look-up adds
one to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from schemas.mapping import (
    NORMALISED_UNMAPPED,
    OVERLONG,
    Mapping,
    Rule,
    Table,
    normalise_label,
    spellings,
)
from schemas.record_kinds import JOB, RecordKind
from transforms.derive.source_value import (
    MAX_COMMAS,
    MAX_CONTAINER_DEPTH,
    Part,
    Parts,
    compact,
    elements_with_content,
    has_content,
    id_code,
    is_searched,
    is_workday_id,
    number_code,
    parts,
    text_of,
)
from transforms.json import decode_array, decode_string, kind_of

_STRENGTH: Final = ("given", "provider_rule", "global_rule")

_STRING, _OBJECT, _NULL = b'"{n'
"""The first byte of a string, an object and a null."""

Scope = Literal["provider", "global", "both"]
"""The tables to search: the provider's, those for all providers, or both in this order."""

_Search = tuple[Callable[..., "Hit | None"], tuple[Any, ...]]
"""A method of RuleLookup and its arguments."""


class Hit(NamedTuple):
    """The status that a rule or a given `value` provides.

    `derivation` is given, provider_rule or global_rule. `text` has the rule; for an id, it is the
    text of its object.
    """

    value: str
    derivation: str
    text: str


class Step(NamedTuple):
    """A step of an explanation: the path of a value, and the result in words.

    `query` is the normalised text, the code or the boolean; it is empty if the step is not a
    look-up. `tables` has the titles of the tables that were searched, in order.
    """

    path: str
    query: str
    tables: tuple[str, ...]
    outcome: str
    rule: Rule | None = None


class RuleLookup:
    """Searches the tables for the name of a provider, or None, and adds the steps to a trace.

    The words of a kind of records are searched after the provider's tables.
    """

    __slots__ = (
        "_global_tables",
        "_kind",
        "_mapping",
        "_provider_tables",
        "_trace",
    )

    def __init__(
        self,
        mapping: Mapping,
        provider: str | None,
        kind: RecordKind = JOB,
        trace: list[Step] | None = None,
    ) -> None:
        self._mapping = mapping
        self._kind = kind
        self._provider_tables = mapping.provider_tables(provider)
        self._global_tables = (*kind.words, *mapping.global_tables)
        self._trace = trace

    def source(self, json: bytes, path: str, depth: int = 1, scope: Scope = "both") -> Hit | None:
        """Finds the status for a JSON text of any kind; the outermost one has the depth 1."""
        first = json[0]
        if first == _STRING:
            return self.text(decode_string(json), path, scope)
        if first in b"{[":
            if not is_searched(json, depth):
                levels = f"too deep: only {MAX_CONTAINER_DEPTH} levels are searched"
                commas = f"too large to be searched: over {MAX_COMMAS:,} commas"
                self.note(path, levels if depth > MAX_CONTAINER_DEPTH else commas)
                return None
            search = self._object if first == _OBJECT else self._array
            return search(json, path, depth, scope)
        if first == _NULL or scope == "global":
            return None
        # In Python True == 1, so booleans and numbers have different tables.
        text = json.decode()
        return self._boolean(text, path) if first in b"tf" else self._number(text, path)

    def text(self, text: str, path: str, scope: Scope) -> Hit | None:
        """Finds the status for a text: as a label, and in a provider's tables also as a code."""
        return self._search_text(text, path, scope) if self._may_have_rule(text) else None

    def _may_have_rule(self, text: str) -> bool:
        """Returns False for an empty text, and for one that no table contains.

        An explanation shows the search for every text that is not empty.
        """
        forms = spellings(text)
        if not forms.plain or self._trace is not None:
            return bool(forms.plain)
        code = text.strip()
        start = code.partition(" ")[0]
        is_before_text = start in self._mapping.codes_before_text
        keys = (*forms, code, start) if is_before_text else (*forms, code)
        is_known = not self._mapping.keys.isdisjoint(keys)
        for table in self._kind.words:
            is_known = is_known or not table.labels.keys().isdisjoint(keys)
        return is_known

    def _search_text(self, text: str, path: str, scope: Scope) -> Hit | None:
        forms, code = spellings(text), text.strip()
        rule: Rule | None = None
        tables: tuple[Table, ...] = ()
        if scope != "global":
            tables = self._provider_tables
            rule = next((r for t in tables if (r := t.label(forms) or t.code(code))), None)
        if rule is None and scope != "provider":
            tables += self._global_tables
            rule = next((r for t in self._global_tables if (r := t.label(forms))), None)
        if self._trace is not None and tables:
            quoted = " or ".join(f'"{form}"' for form in dict.fromkeys(forms))
            too_long = forms.plain == OVERLONG
            query = "text of over 256 characters" if too_long else f"text {quoted}"
            self._add_step(path, query, tables, rule)
        return None if rule is None else _hit(rule, text)

    def note(self, path: str, outcome: str) -> None:
        """Adds a step that is not a look-up."""
        if self._trace is not None:
            self._add(self._trace, Step(path, "", (), outcome))

    def _boolean(self, text: str, path: str) -> Hit | None:
        flag = text == "true"
        rule = next((r for t in self._provider_tables if (r := t.boolean(flag))), None)
        self._add_step(path, f"boolean {text}", self._provider_tables, rule)
        return None if rule is None else _hit(rule, text)

    def _number(self, text: str, path: str) -> Hit | None:
        code = number_code(text)
        if code is None:
            self.note(path, "a number without a code: not an integer of at most 18 digits")
            return None
        rule = self._code(code, path)
        return None if rule is None else _hit(rule, text)

    def _code(self, code: str, path: str) -> Rule | None:
        rule = next((r for t in self._provider_tables if (r := t.code(code))), None)
        if self._trace is not None:
            self._add_step(path, f'code "{code}"', self._provider_tables, rule)
        return rule

    def _array(self, json: bytes, path: str, depth: int, scope: Scope) -> Hit | None:
        """Finds the status that all elements with content have; None if one has another or none."""
        # An array in the global scope may still have an element that needs the provider's tables.
        inner = scope if scope == "provider" else "both"
        found: Hit | None = None
        self._note_workday_ids(json, path)
        elements = elements_with_content(json)
        for position, element, _ in elements:
            hit = self.source(element, self._join(path, f"[{position}]"), depth + 1, inner)
            if hit is None:
                if len(elements) > 1:
                    rule = "rule of the provider" if scope == "provider" else "rule"
                    self.note(path, f"[{position}] has no {rule}, so the whole array has none")
                return None
            if found is not None and hit.value != found.value:
                first = f"[{elements[0].position}] means {found.value}"
                self.note(path, f"{first} and [{position}] means {hit.value}: no rule")
                return None
            if found is None or _STRENGTH.index(hit.derivation) > _STRENGTH.index(found.derivation):
                found = hit
        if found is None:
            return None
        is_only_element = len(elements) == 1 and elements[0].times == 1
        return found if is_only_element else found._replace(text=compact(json))

    def _object(self, json: bytes, path: str, depth: int, scope: Scope) -> Hit | None:
        members = parts(json)
        if members.source:
            return self._status_object(members, path, depth, scope)
        # For "global", this repeats a search without a hit, which is rare.
        later: list[_Search] = []
        hit = self._in_provider_tables(json, members, path, depth, later)
        if hit is not None or scope == "provider":
            return hit
        for search, arguments in later:
            hit = search(*arguments)
            if hit is not None:
                return hit
        return None

    def _in_provider_tables(
        self, json: bytes, members: Parts, path: str, depth: int, later: list[_Search]
    ) -> Hit | None:
        """Finds the status for an object in its provider's tables.

        The searches that follow without a hit are added to `later`, so that the members of the
        object, and of the objects under its labels, are read only once.
        """
        if self._trace is not None and not any(members):
            self.note(path, "no member that can have a status")
        for key, part in members.labels:
            inner = path if self._trace is None else f"{path}.{key}"
            hit = None
            if part[0] == _STRING:
                if self._may_have_rule(text := decode_string(part)):
                    hit = self._search_text(text, inner, "provider")
                    later.append((self._search_text, (text, inner, "global")))
            elif (
                part[0] == _OBJECT
                and is_searched(part, depth + 1)
                and not (nested := parts(part)).source
            ):
                hit = self._in_provider_tables(part, nested, inner, depth + 1, later)
            else:
                hit = self.source(part, inner, depth + 1, "provider")
                later.append((self.source, (part, inner, depth + 1, "global")))
            if hit is not None:
                return hit
        for key, part in members.references + members.flags:
            inner = self._join(path, f".{key}")
            later.append((self.source, (part, inner, depth + 1, "both")))
        return self._ids(members.ids, path, depth, json)

    def _ids(self, ids: list[Part], path: str, depth: int, whole: bytes) -> Hit | None:
        for key, json in ids:
            code = id_code(json)
            rule = self._code(code, self._join(path, f".{key}")) if code else None
            if rule is not None:
                return _hit(rule, text_of(whole, depth))
        return None

    def _status_object(self, members: Parts, path: str, depth: int, scope: Scope) -> Hit | None:
        """Finds the status for an object with a `source_value`, in the way of a job status."""
        source = next((part for part in members.source if has_content(part.json)), None)
        value = next((part for part in members.value if kind_of(part.json) == "string"), None)
        given = "" if value is None else decode_string(value.json)
        hit: Hit | None = None
        text = given
        if source is not None:
            hit = self.source(source.json, self._join(path, f".{source.key}"), depth + 1, scope)
            text = text_of(source.json, depth + 1) if hit is None else hit.text
        member = self._kind.members.get(normalise_label(given))
        if member is not None:
            self.note(self._join(path, ".value"), f"the value {member} is given and decides")
            return Hit(member, "given", text)
        if source is None and scope != "provider" and normalise_label(given) != NORMALISED_UNMAPPED:
            return self.text(given, self._join(path, ".value"), "global")
        return hit

    def _note_workday_ids(self, json: bytes, path: str) -> None:
        if self._trace is not None:
            for position, element in enumerate(decode_array(json)):
                if is_workday_id(bytes(element)):
                    self.note(f"{path}[{position}]", "an opaque id of the type WID: not searched")

    def _join(self, path: str, more: str) -> str:
        return path if self._trace is None else path + more

    def _add_step(
        self, path: str, query: str, tables: tuple[Table, ...], rule: Rule | None
    ) -> None:
        if self._trace is not None:
            titles = tuple(table.title for table in tables)
            outcome = rule.value if rule else "no rule"
            self._add(self._trace, Step(path, query, titles, outcome, rule))

    @staticmethod
    def _add(trace: list[Step], step: Step) -> None:
        # An object is searched once for each kind of table; its arrays may be searched again.
        if step not in trace:
            trace.append(step)


def _hit(rule: Rule, text: str) -> Hit:
    return Hit(rule.value, "global_rule" if rule.provider is None else "provider_rule", text)
