"""The rows, shares and lengths of the report page."""

from __future__ import annotations

import pytest

from pipeline.report.html.view import (
    Part,
    UnmappedRow,
    anchor,
    by_share,
    count_rows,
    percent,
    provider_rows,
    scale_top,
    share,
    time_top,
    unmapped_rows,
    value_parts,
    value_rows,
)


@pytest.mark.parametrize(
    ("count", "total", "text"),
    [
        (0, 0, "–"),
        (0, 10, "0 %"),
        (1, 3, "33.3 %"),
        (1, 1_001, "< 0.1 %"),
        (1_000_000, 1_000_001, "> 99.9 %"),
        (7, 7, "100 %"),
    ],
)
def test_a_share_is_0_or_100_percent_only_if_it_is_exact(count: int, total: int, text: str) -> None:
    assert share(count, total) == text


def test_a_length_is_a_percentage_of_the_whole() -> None:
    assert (percent(1, 3), percent(3, 3), percent(0, 0)) == ("33.333%", "100.000%", "0%")


@pytest.mark.parametrize(
    ("count", "top"),
    [(0, 1), (1, 1), (3, 4), (7, 8), (9, 10), (11, 20), (270, 400), (6_001, 8_000)],
)
def test_a_scale_ends_at_a_round_number(count: int, top: int) -> None:
    assert scale_top(count) == top


def test_values_are_in_the_order_of_a_jobs_life_with_no_value_and_others_last() -> None:
    assert value_parts({"new": 1, "null": 2, "closed": 3, "open": 4}) == [
        Part("open", 4, "open"),
        Part("closed", 3, "closed"),
        Part("no value", 2, "none"),
        Part("new", 1, "more"),
    ]


def test_rows_of_values_have_the_most_frequent_first() -> None:
    assert [row.name for row in value_rows({"open": 1, "closed": 3})] == ["closed", "open"]


def test_the_row_of_a_provider_has_a_part_for_each_value() -> None:
    unnamed, long = provider_rows({"null": {"open": 1, "closed": 2}, "p" * 100: {"open": 4}})
    assert (unnamed.name, unnamed.count, len(unnamed.parts)) == ("no provider", 3, 2)
    assert long.name == "p" * 79 + "…"


def test_a_name_can_have_a_style_of_its_own() -> None:
    rows = count_rows({"given": 1, "absent": 2}, "accent", {"absent": "none"})
    assert [row.parts[0].style for row in rows] == ["accent", "none"]


@pytest.mark.parametrize(
    ("events", "top"),
    [
        ([3, 5, 2, 4], 6),
        ([3, 5, 2, 4_000], 6),
        ([3, 5, 2, 0, 0, 24], 40),
        # With fewer columns, or with several high ones, none of them is unusual.
        ([3, 0, 5, 4_000], 4_000),
        ([3, 5, 2, 3, 3_000, 4_000], 4_000),
        ([40] * 30 + [5_000, 6_000, 7_000], 40),
        ([0, 7, 0], 8),
    ],
)
def test_the_scale_of_a_time_chart_ends_above_all_but_a_few_spikes(
    events: list[int], top: int
) -> None:
    assert time_top(events) == top


def test_providers_with_unmapped_events_are_sorted_by_count_or_by_share() -> None:
    rows = unmapped_rows(
        {
            "a": {"unmapped_value": 1, "open": 1},
            "b": {"open": 1},
            "null": {"unmapped_value": 3, "open": 9},
        }
    )
    assert rows == [UnmappedRow("no provider", 3, 12), UnmappedRow("a", 1, 2)]
    assert [row.name for row in by_share(rows)] == ["a", "no provider"]


def test_the_anchor_of_a_title_has_no_spaces() -> None:
    assert anchor("Values by provider") == "values-by-provider"
