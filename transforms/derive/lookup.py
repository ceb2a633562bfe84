"""Looks a source value up in the mapping tables: whatever its shape, by one path of code.

The path that derives a status is the one that explains it: with a list to write to, every look-up
leaves a step there.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from schemas.mapping import (
    NORMALISED_UNMAPPED,
    OVERLONG,
    UNMAPPED,
    VALUES,
    Mapping,
    Rule,
    Table,
    normalise_label,
    spellings,
)
from transforms.derive.source_value import (
    Part,
    Parts,
    compact,
    decode_string,
    has_content,
    is_looked_into,
    labels_of,
    number_code,
    parts,
    speaking,
    text_of,
)
from transforms.json import kind_of

MEMBERS: Final = {normalise_label(value): value for value in VALUES if value != UNMAPPED}
"""The members that a `value` can give, by their normalised text."""

_STRENGTH: Final = ("given", "provider_rule", "global_rule")


Scope = Literal["own", "shared", "both"]
"""Whose tables are looked at: the provider's own, those for everybody, or both in turn."""


class Hit(NamedTuple):
    """What a rule, or a value that was given, says.

    Attributes:
        value: The member.
        derivation: given, provider_rule or global_rule.
        text: The text that mapped, or that of its object where an id did.
    """

    value: str
    derivation: str
    text: str


class Step(NamedTuple):
    """One step of an explanation.

    Attributes:
        where: The path of what was looked at.
        sought: What was sought: the normalised text, the code, the boolean.
        tables: The titles of the tables in which it was sought, in order; empty if in none.
        outcome: What came of it, in words.
        rule: The rule that was found.
    """

    where: str
    sought: str
    tables: tuple[str, ...]
    outcome: str
    rule: Rule | None = None


class RuleLookup:
    """Looks things up for one provider.

    Args:
        mapping: The tables in force.
        provider: The provider's name as it came; None where it is not known.
        trace: Takes the steps, where somebody wants to know them.

    Attributes:
        depends_on_provider: Whether anything was sought that some provider's table knows; if not,
            the search would have ended in the same way at any provider.
    """

    __slots__ = ("_keys", "_own", "_provider_keys", "_shared", "_trace", "depends_on_provider")

    def __init__(
        self, mapping: Mapping, provider: str | None, trace: list[Step] | None = None
    ) -> None:
        self._own = mapping.provider_tables(provider)
        self._shared = mapping.global_tables
        self._keys = mapping.keys
        self._provider_keys = mapping.provider_keys
        self._trace = trace
        self.depends_on_provider = False

    def source(self, json: bytes, where: str, depth: int = 1, scope: Scope = "both") -> Hit | None:
        """Finds what a source value of any kind means.

        Args:
            json: Its JSON text.
            where: Its path, for the explanation.
            depth: Its depth, the outermost being 1.
            scope: The tables to look at.

        Returns:
            What it means, or None if no rule says so.
        """
        kind = kind_of(json)
        if kind == "string":
            return self.text(decode_string(json), where, scope)
        if kind == "null":
            return None
        if kind in ("array", "object"):
            if not is_looked_into(json, depth):
                self.note(where, "too deep or too large: not looked into")
                return None
            look = self._array if kind == "array" else self._object
            return look(json, where, depth, scope)
        if scope == "shared":
            return None
        text = json.decode()
        # JSON's true is no 1, whatever Python thinks of the two.
        return self._boolean(text, where) if kind == "boolean" else self._number(text, where)

    def text(self, text: str, where: str, scope: Scope) -> Hit | None:
        """Finds what a text means; as a label, and in a provider's tables as a code as well."""
        spelled = spellings(text)
        if not spelled.plain:
            return None
        code = text.strip()
        forms = (*spelled, code)
        is_known = not self._keys.isdisjoint(forms)
        rule: Rule | None = None
        tables: tuple[Table, ...] = ()
        if scope != "shared":
            tables = self._own
            if is_known:
                rule = next((r for t in tables if (r := t.label(spelled) or t.code(code))), None)
                self.depends_on_provider |= not self._provider_keys.isdisjoint(forms)
        if rule is None and scope != "own":
            tables += self._shared
            if is_known:
                rule = next((r for t in self._shared if (r := t.label(spelled))), None)
        if self._trace is not None:
            quoted = " or ".join(f'"{form}"' for form in dict.fromkeys(spelled))
            too_long = spelled.plain == OVERLONG
            sought = "text of over 256 characters" if too_long else f"text {quoted}"
            self._step(where, sought, tables, rule)
        return None if rule is None else _hit(rule, text)

    def note(self, where: str, outcome: str) -> None:
        """Leaves a step that is no look-up."""
        if self._trace is not None:
            self._trace.append(Step(where, "", (), outcome))

    def _boolean(self, text: str, where: str) -> Hit | None:
        self.depends_on_provider |= text in self._provider_keys
        flag = text == "true"
        rule = next((r for t in self._own if (r := t.boolean(flag))), None)
        self._step(where, f"boolean {text}", self._own, rule)
        return None if rule is None else _hit(rule, text)

    def _number(self, text: str, where: str) -> Hit | None:
        code = number_code(text)
        if code is None:
            self.note(where, "a number without a code: not an integer of at most 18 digits")
            return None
        rule = self._code(code, where)
        return None if rule is None else _hit(rule, text)

    def _code(self, code: str, where: str) -> Rule | None:
        self.depends_on_provider |= code in self._provider_keys
        rule = next((r for t in self._own if (r := t.code(code))), None)
        if self._trace is not None:
            self._step(where, f'code "{code}"', self._own, rule)
        return rule

    def _array(self, json: bytes, where: str, depth: int, scope: Scope) -> Hit | None:
        """Every element that says something must map, and to the same value."""
        # Where the shared tables' turn has come, one element may still need its provider's.
        inner = scope if scope == "own" else "both"
        found: Hit | None = None
        elements = speaking(json)
        for position, element, _ in elements:
            hit = self.source(element, self._path(where, f"[{position}]"), depth + 1, inner)
            if hit is None or (found is not None and hit.value != found.value):
                self.note(where, "not all elements mean the same: no rule")
                return None
            if found is None or _STRENGTH.index(hit.derivation) > _STRENGTH.index(found.derivation):
                found = hit
        if found is None:
            return None
        alone = len(elements) == 1 and elements[0].times == 1
        return found if alone else found._replace(text=compact(json))

    def _object(self, json: bytes, where: str, depth: int, scope: Scope) -> Hit | None:
        members = parts(json)
        if members.source:
            return self._pair(members, where, depth, scope)
        labels = labels_of(members)
        hit = None
        if scope != "shared":
            hit = (
                self._first(members.labels, where, depth, "own")
                or self._ids(members.ids, where, depth, json)
                or self._first(labels[len(members.labels) :], where, depth, "own")
            )
        if hit is None and scope != "own":
            hit = self._first(labels, where, depth, "shared")
        return hit

    def _first(self, labels: list[Part], where: str, depth: int, scope: Scope) -> Hit | None:
        for key, json in labels:
            hit = self.source(json, self._path(where, f".{key}"), depth + 1, scope)
            if hit is not None:
                return hit
        return None

    def _ids(self, ids: list[Part], where: str, depth: int, whole: bytes) -> Hit | None:
        for key, json in ids:
            kind = kind_of(json)
            if kind == "string":
                code: str | None = decode_string(json).strip()
            else:
                code = number_code(json.decode()) if kind == "number" else None
            rule = self._code(code, self._path(where, f".{key}")) if code else None
            if rule is not None:
                return _hit(rule, text_of(whole, depth))
        return None

    def _pair(self, members: Parts, where: str, depth: int, scope: Scope) -> Hit | None:
        """An object with a `source_value` is read as the job's status itself is."""
        source = next((part for part in members.source if has_content(part.json)), None)
        value = next((part for part in members.value if kind_of(part.json) == "string"), None)
        given = "" if value is None else decode_string(value.json)
        hit: Hit | None = None
        text = given
        if source is not None:
            hit = self.source(source.json, self._path(where, f".{source.key}"), depth + 1, scope)
            text = text_of(source.json, depth + 1) if hit is None else hit.text
        member = MEMBERS.get(normalise_label(given))
        if member is not None:
            self.note(self._path(where, ".value"), f"the value {member} is given, and decides")
            return Hit(member, "given", text)
        if source is None and scope != "own" and normalise_label(given) != NORMALISED_UNMAPPED:
            return self.text(given, self._path(where, ".value"), "shared")
        return hit

    def _path(self, where: str, more: str) -> str:
        return where if self._trace is None else where + more

    def _step(self, where: str, sought: str, tables: tuple[Table, ...], rule: Rule | None) -> None:
        if self._trace is not None:
            titles = tuple(table.title for table in tables)
            self._trace.append(Step(where, sought, titles, rule.value if rule else "no rule", rule))


def _hit(rule: Rule, text: str) -> Hit:
    return Hit(rule.value, "global_rule" if rule.provider is None else "provider_rule", text)
