"""Texts without a rule are counted exactly, most frequent first, in bounded memory."""

from __future__ import annotations

import random
import sys
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.blocks import unmapped
from transforms.blocks.unmapped import MAX_LENGTH, UnmappedRow, UnmappedState, UnmappedTally

entries = st.lists(
    st.tuples(st.none() | st.sampled_from(["", "a", "b"]), st.text(max_size=2), st.integers(1, 9)),
    max_size=30,
)


def tally(items: list[tuple[str | None, str, int]]) -> UnmappedTally:
    counted = UnmappedTally()
    for item in items:
        counted.add(*item)
    return counted


def total(counted: UnmappedTally) -> int:
    return sum(row.count for row in counted.state().rows) + counted.others


def test_texts_are_sorted_by_count_then_by_provider_and_text() -> None:
    counted = tally(
        [
            ("b", "x", 2),
            ("a", "y", 2),
            ("a", "x", 2),
            (None, "z", 2),
            ("c", "rare", 1),
            ("c", "w", 5),
        ]
    )
    assert [(row.provider, row.source_value, row.count) for row in counted.top()] == [
        ("c", "w", 5),
        (None, "z", 2),
        ("a", "x", 2),
        ("a", "y", 2),
        ("b", "x", 2),
        ("c", "rare", 1),
    ]


def test_the_report_has_100_rows() -> None:
    counted = tally([("p", str(number), number + 1) for number in range(150)])
    assert len(counted.top()) == 100
    assert counted.top()[0] == UnmappedRow("p", "149", 150)
    assert len(counted.top(3)) == 3


def test_each_pair_of_provider_and_text_has_its_own_count() -> None:
    counted = tally([("a", "x", 1), ("a", "X", 1), (None, "x", 1), ("", "x", 1), ("a", "x", 1)])
    assert {(r.provider, r.source_value): r.count for r in counted.top()} == {
        ("a", "x"): 2,
        ("a", "X"): 1,
        (None, "x"): 1,
        ("", "x"): 1,
    }


def test_new_texts_beyond_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmapped, "MAX_TEXTS", 2)
    counted = tally([("p", "a", 1), ("p", "b", 1), ("p", "c", 5), ("p", "a", 1)])
    assert [row.source_value for row in counted.top()] == ["a", "b"]
    assert (counted.others, total(counted)) == (5, 8)


def test_a_merge_keeps_the_most_frequent_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmapped, "MAX_TEXTS", 2)
    one = tally([("p", "a", 1), ("p", "b", 3)])
    one.merge(tally([("p", "c", 2), ("p", "a", 5), ("p", "d", 1)]))
    assert [(row.source_value, row.count) for row in one.top()] == [("a", 6), ("b", 3)]
    assert (one.others, total(one)) == (3, 12)


def test_a_long_text_is_shortened_with_an_ellipsis() -> None:
    counted = tally([("q" * 1000, "x" * 1000, 1), ("p", "y" * MAX_LENGTH, 1)])
    texts = {row.source_value for row in counted.top()}
    assert texts == {"x" * (MAX_LENGTH - 1) + "…", "y" * MAX_LENGTH}
    assert max(len(row.provider or "") for row in counted.top()) == MAX_LENGTH


def test_memory_is_bounded_for_many_long_texts() -> None:
    counted = UnmappedTally()
    for number in range(50_000):
        counted.add("p", f"{number:05}" + "\U0001f600" * 1_000)
    state = counted.state()
    assert len(state.rows) == 10_000
    assert total(counted) == 50_000
    assert sum(sys.getsizeof(row.source_value) for row in state.rows) < 15_000_000


@given(entries)
def test_counts_are_exact(items: list[tuple[str | None, str, int]]) -> None:
    expected: Counter[tuple[str | None, str]] = Counter()
    for provider, text, count in items:
        expected[provider, text] += count
    counted = tally(items)
    assert {(r.provider, r.source_value): r.count for r in counted.state().rows} == expected
    assert counted.others == 0


@given(entries, st.randoms(use_true_random=False), st.integers(0, 30))
def test_a_merge_gives_the_same_in_any_order_and_split(
    items: list[tuple[str | None, str, int]], rng: random.Random, split: int
) -> None:
    shuffled = items.copy()
    rng.shuffle(shuffled)
    merged = tally(shuffled[:split])
    merged.merge(tally(shuffled[split:]))
    assert merged.state() == tally(items).state()


@given(entries)
def test_the_state_survives_json(items: list[tuple[str | None, str, int]]) -> None:
    state = tally(items).state()
    copy = msgspec.json.decode(msgspec.json.encode(state), type=UnmappedState)
    assert UnmappedTally(copy).state() == state
