"""Counts the statuses that no rule maps, in a memory that hostile data cannot grow."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from schemas.mapping import NORMALISED_UNMAPPED, normalise_label

MAX_TEXTS: Final = 10_000
"""Distinct texts that are counted one by one; what comes after them is counted together."""

MAX_LENGTH: Final = 256
"""Characters of a text that are kept, an ellipsis at the cut included."""

TOP: Final = 100
"""Rows of a report."""


class UnmappedRow(msgspec.Struct, frozen=True, gc=False):
    """A row of the report.

    Attributes:
        provider: The provider as it came; None where only a rule for everybody would help.
        source_value: The text that has no rule.
        count: How often it came.
    """

    provider: str | None
    source_value: str
    count: int


class UnmappedState(msgspec.Struct, frozen=True):
    """A tally as it travels and is stored: plain JSON.

    Attributes:
        rows: The counted texts, most frequent first.
        others: The count of all that came when there was no room for more texts.
    """

    rows: list[UnmappedRow] = []
    others: int = 0


class _Key(NamedTuple):
    provider: str | None
    text: str


class UnmappedTally:
    """Counts pairs of a provider and a text.

    Attributes:
        others: The count of all that came when there was no room for more texts.
    """

    def __init__(self, state: UnmappedState | None = None) -> None:
        self._counts: dict[_Key, int] = {}
        self.others = 0
        if state is not None:
            self.merge(state)

    def add(self, provider: str | None, text: str, count: int = 1) -> None:
        """Counts a text of a provider's."""
        key = _Key(None if provider is None else cut(provider), cut(text))
        if key in self._counts:
            self._counts[key] += count
        elif len(self._counts) < MAX_TEXTS:
            self._counts[key] = count
        else:
            self.others += count

    def merge(self, other: UnmappedTally | UnmappedState) -> None:
        """Adds the counts of another tally; if all have no room, the most frequent texts stay."""
        self.others += other.others
        if isinstance(other, UnmappedTally):
            counts: Iterable[tuple[_Key, int]] = other._counts.items()
        else:
            counts = ((_Key(row.provider, row.source_value), row.count) for row in other.rows)
        for key, count in counts:
            self._counts[key] = self._counts.get(key, 0) + count
        # Ranking takes time: it is done once for many small tallies.
        if len(self._counts) > 2 * MAX_TEXTS:
            self._trim()

    def _trim(self) -> None:
        if len(self._counts) > MAX_TEXTS:
            # Of those that came as often, the first to come stay.
            by_count = sorted(self._counts.items(), key=itemgetter(1), reverse=True)
            self._counts = dict(by_count[:MAX_TEXTS])
            self.others += sum(count for _, count in by_count[MAX_TEXTS:])

    def top(self, rows: int = TOP) -> list[UnmappedRow]:
        """Returns the most frequent texts; those of one count by provider and text."""
        self._trim()
        return _rows(self._ranked()[:rows])

    def state(self) -> UnmappedState:
        """Returns the whole tally in a form that can be encoded."""
        self._trim()
        return UnmappedState(_rows(self._ranked()), self.others)

    def total(self) -> int:
        """Returns how many were counted in all."""
        return sum(self._counts.values()) + self.others

    def _ranked(self) -> list[tuple[_Key, int]]:
        return sorted(
            self._counts.items(),
            key=lambda item: (
                -item[1],
                item[0].provider or "",
                item[0].text,
                item[0].provider is not None,
            ),
        )


def _rows(ranked: Iterable[tuple[_Key, int]]) -> list[UnmappedRow]:
    return [UnmappedRow(key.provider, key.text, count) for key, count in ranked]


def cut(text: str) -> str:
    """Returns a text, or the head of a long one with an ellipsis."""
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def unmapped_key(
    derived_from: str,
    source_value: str | None,
    given_value: str | None,
    provider: str | None,
    legacy_status: str | None,
) -> tuple[str | None, str] | None:
    """Returns what a record needs a rule for whose derivation is `unmapped`: provider and text.

    The provider is None where only a rule for everybody would help: for a `value` and a `status`,
    which are not the provider's words. None for a bare `unmapped_value`, which leaves nothing to
    write a rule about.
    """
    if derived_from == "source_value":
        return provider, source_value or ""
    text = given_value if derived_from == "value" else legacy_status
    if text is None or (derived_from == "value" and normalise_label(text) == NORMALISED_UNMAPPED):
        return None
    return None, text
