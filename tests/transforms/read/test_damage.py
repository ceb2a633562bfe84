"""Everything before damage is read, and the reason of the damage is short."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.errors import InputError
from transforms.read.damage import DamagedInputError, UntilDamage, reason_of


def test_items_before_damage_are_read_and_counted() -> None:
    damage = DamagedInputError("the gzip data is truncated")

    def items() -> Iterator[int]:
        yield from (1, 2)
        raise damage

    readable = UntilDamage(items())
    assert list(readable) == [1, 2]
    assert (readable.count, readable.error) == (2, damage)


def test_input_without_damage_has_no_error() -> None:
    readable = UntilDamage([1, 2])
    assert list(readable) == [1, 2]
    assert readable.error is None


def test_the_reason_of_damage_holds_nothing_of_its_cause() -> None:
    damage = DamagedInputError("it is corrupt")
    damage.__cause__ = ValueError("canary")
    assert reason_of(damage) == "it is corrupt"


def test_the_reason_of_an_unreadable_input_is_that_of_the_filesystem() -> None:
    error = InputError("cannot open the input f")
    error.__cause__ = PermissionError(13, "Permission denied")
    assert reason_of(error) == "Permission denied"
    assert reason_of(OSError(5, "Input/output error")) == "Input/output error"
