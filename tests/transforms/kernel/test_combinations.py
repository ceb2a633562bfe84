"""Each distinct combination has one number, and hostile data costs bounded memory and time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.kernel.rows import NO_CONTEXT_TEXTS, rows_of
from transforms.kernel import combinations as combinations_module
from transforms.kernel import finishing
from transforms.kernel.combinations import COMBINED
from transforms.kernel.finishing import Combinations
from transforms.kernel.rows import EVENT_TYPE, JOB_STATUS, LEGACY_STATUS, PROVIDER

_texts = st.none() | st.sampled_from(["", "a", "b", "ab", "a" * 8, "a" * 9, "é", "x" * 5000])
_event = st.fixed_dictionaries(dict.fromkeys(COMBINED, _texts))


def _numbers(table: Combinations, events: list[dict[int, Any]]) -> list[int]:
    numbers: list[int] = table.finish(rows_of(events), NO_CONTEXT_TEXTS).combinations.tolist()
    return numbers


@given(st.lists(st.lists(_event, max_size=8), max_size=4))
def test_equal_combinations_have_one_number_and_others_have_another(
    blocks: list[list[dict[int, Any]]],
) -> None:
    table = Combinations()
    known: dict[tuple[Any, ...], int] = {}
    for events in blocks:
        for event, number in zip(events, _numbers(table, events), strict=True):
            assert known.setdefault(tuple(event[field] for field in COMBINED), number) == number
    assert sorted(known.values()) == list(range(len(table)))
    texts = {number: key for key, number in known.items()}
    for number, found in enumerate(table.new_texts()):
        assert found == [None if each is None else each.encode() for each in texts[number]]


def test_text_that_moves_to_another_field_is_another_combination() -> None:
    events: list[dict[int, Any]] = [
        {JOB_STATUS: "ab", PROVIDER: "c"},
        {JOB_STATUS: "a", PROVIDER: "bc"},
        {PROVIDER: "ab", EVENT_TYPE: "c"},
        {EVENT_TYPE: "ab", LEGACY_STATUS: "c"},
        {JOB_STATUS: "ab", PROVIDER: "c", EVENT_TYPE: ""},
    ]
    assert _numbers(Combinations(), events) == [0, 1, 2, 3, 4]


def test_distinct_texts_of_any_number_and_length_have_their_own_numbers() -> None:
    table = Combinations()
    events = [{JOB_STATUS: f"{number} " * (number % 50)} for number in range(20_000)]
    events += [{JOB_STATUS: "y" * 3_000_000}]
    first = _numbers(table, events)
    assert len(set(first)) == len({event[JOB_STATUS] for event in events})
    assert _numbers(table, events) == first


def test_a_table_is_full_after_many_combinations_or_bytes() -> None:
    table = Combinations()
    assert not table.is_full
    _numbers(table, [{JOB_STATUS: str(number)} for number in range(33_000)])
    assert table.is_full
    table = Combinations()
    _numbers(table, [{JOB_STATUS: "x" * (9 << 20)}])
    assert table.is_full


def test_the_places_of_combinations_cannot_be_foreseen() -> None:
    seeds = {Combinations()._seed for _ in range(9)}
    assert len(seeds) == 9


def test_a_combination_without_a_place_is_numbered_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All places are taken by one combination: as many as are looked at.
    monkeypatch.setattr(finishing, "_TABLE_PLACES", 1 << 5)
    assert combinations_module.MOST_PROBES == 1 << 5
    table = Combinations()
    table._numbers[:] = 0
    (first,) = _numbers(table, [{JOB_STATUS: "a"}])
    assert _numbers(table, [{JOB_STATUS: "b"}, {JOB_STATUS: "a"}]) == [1, first]
    assert np.count_nonzero(table._numbers) == 0
    assert _numbers(table, [{JOB_STATUS: "b"}]) == [2]
    assert table.new_texts()[1:] == [[b"b", None, None, None, None]] * 2
