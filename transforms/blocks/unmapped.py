"""Counts the statuses that no rule maps, in bounded memory."""

from __future__ import annotations

from operator import itemgetter
from typing import Final

import msgspec

from schemas.mapping import NORMALISED_UNMAPPED, normalise_label

MAX_TEXTS: Final = 10_000
"""Distinct texts that are counted one by one. All later ones are counted together."""

MAX_LENGTH: Final = 256
"""Characters of a text that are kept, with the ellipsis of a shortened one."""

TOP: Final = 100
"""Rows of the report."""


class UnmappedRow(msgspec.Struct, frozen=True, gc=False):
    """A row of the report: a text that has no rule, and the number of its occurrences.

    `provider` is as it was sent; None if only a rule for all providers would help.
    """

    provider: str | None
    source_value: str
    count: int


class UnmappedState(msgspec.Struct, frozen=True):
    """The content of a tally in a form that can be encoded, with the most frequent texts first."""

    rows: list[UnmappedRow] = []
    others: int = 0


class UnmappedTally:
    """Counts pairs of a provider and a text; `others` counts the texts beyond MAX_TEXTS."""

    def __init__(self, state: UnmappedState | None = None) -> None:
        rows = [] if state is None else state.rows
        self._counts = {(row.provider, row.source_value): row.count for row in rows}
        self.others = 0 if state is None else state.others

    def add(self, provider: str | None, text: str, count: int = 1) -> None:
        """Counts a text of a provider."""
        key = None if provider is None else shorten(provider), shorten(text)
        if key in self._counts:
            self._counts[key] += count
        elif len(self._counts) < MAX_TEXTS:
            self._counts[key] = count
        else:
            self.others += count

    def merge(self, other: UnmappedTally) -> None:
        """Adds the counts of another tally. Beyond MAX_TEXTS, the most frequent texts stay."""
        self.others += other.others
        for key, count in other._counts.items():
            self._counts[key] = self._counts.get(key, 0) + count
        # Sorting is slow, so it is done once for many small tallies.
        if len(self._counts) > 2 * MAX_TEXTS:
            self._trim()

    def _trim(self) -> None:
        if len(self._counts) > MAX_TEXTS:
            # Among texts of the same count, the earliest stay.
            by_count = sorted(self._counts.items(), key=itemgetter(1), reverse=True)
            self._counts = dict(by_count[:MAX_TEXTS])
            self.others += sum(count for _, count in by_count[MAX_TEXTS:])

    def top(self, rows: int = TOP) -> list[UnmappedRow]:
        """Returns the most frequent texts; those of the same count by provider and text."""
        return self.state().rows[:rows]

    def state(self) -> UnmappedState:
        """Returns the whole tally in a form that can be encoded."""
        self._trim()
        rows = [UnmappedRow(*key, count) for key, count in self._counts.items()]
        rows.sort(key=_rank)
        return UnmappedState(rows, self.others)


def _rank(row: UnmappedRow) -> tuple[int, str, str, bool]:
    return -row.count, row.provider or "", row.source_value, row.provider is not None


def shorten(text: str) -> str:
    """Returns a text, or the head of a long one with an ellipsis."""
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def unmapped_key(
    derived_from: str,
    source_value: str | None,
    given_value: str | None,
    provider: str | None,
    legacy_status: str | None,
) -> tuple[str | None, str] | None:
    """Returns the provider and the text that need a rule, for a record derived as `unmapped`.

    The provider is None if only a rule for all providers would help: a `value` and a `status` are
    not the provider's words. Returns None for a bare `unmapped_value`, which no rule can map.
    """
    if derived_from == "source_value":
        return provider, source_value or ""
    text = given_value if derived_from == "value" else legacy_status
    if text is None or (derived_from == "value" and normalise_label(text) == NORMALISED_UNMAPPED):
        return None
    return None, text
