"""Damaged input: its error, and reading up to the damage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from schemas.errors import InputError, JobStatusError
from transforms.storage import filesystem

Item = TypeVar("Item")


class DamagedInputError(Exception):
    """An input that is truncated, corrupt, or not of the kind that it should be."""


READ_ERRORS = (InputError, DamagedInputError, OSError)


def reason_of(error: Exception) -> str:
    """Returns the short reason why an input cannot be read."""
    if isinstance(error, DamagedInputError):
        return str(error)
    return filesystem.error_text(error.__cause__ or error)


class UntilDamage(Generic[Item]):
    """Iterates up to an error of reading, so that everything before it can be used first.

    Attributes:
        count: Items so far.
        error: The error that ended the iteration, or None.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.count = 0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Item]:
        try:
            for item in self._items:
                self.count += 1
                yield item
        except (JobStatusError, DamagedInputError, OSError) as error:
            self.error = error
