"""A plan divides records into parts that fit into memory, and keeps their order in time."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import msgpack

from transforms.compact import plan as plan_module
from transforms.compact.plan import NO_DAY_FOLDER, Plan, make_plan
from transforms.compact.sizes import LETTERS, MICROSECONDS_OF_DAY, NO_DAY, REPLAYED, Sizes

MAY_1 = 20_209


def plan_of(
    days: dict[int, int], times: list[int] | None = None, *, by_day: bool = True, part: int = 100
) -> Plan:
    """Plans days of these sizes; each time of the sample stands for 10 bytes."""
    sample = np.sort(np.array(times or [], np.int64))
    arrays = (
        np.array(sorted(days), np.int64),
        np.array([days[day] for day in sorted(days)], np.int64),
        sample,
        np.full(len(sample), 10, np.int64),
    )
    sizes = msgpack.decode(msgpack.encode(Sizes(*(a.tobytes() for a in arrays))), type=Sizes)
    return make_plan(sizes, by_day=by_day, group_bytes=200, seed=7, part_bytes=part)


def parts_of(plan: Plan, days: list[int], times: list[int] | None = None) -> list[int]:
    """Returns the part of records of these days, in the middle of a day by default."""
    moments = times or [max(day, 0) * MICROSECONDS_OF_DAY + 500 for day in days]
    ids = np.random.default_rng(1).integers(0, 2**63, len(days)).astype(np.uint64)
    return plan.parts_of(np.array(days), np.array(moments), ids).tolist()


def test_small_days_share_a_part_and_have_their_own_folders() -> None:
    plan = plan_of({MAY_1: 30, MAY_1 + 1: 30, MAY_1 + 2: 80})
    parts = parts_of(plan, [MAY_1, MAY_1 + 1, MAY_1 + 2])
    assert parts == [0, 0, 1]
    folders = [plan.folder_of(parts[0], MAY_1 + number) for number in range(2)]
    assert folders == ["event_day=2025-05-01", "event_day=2025-05-02"]


def test_a_large_day_is_divided_by_time_into_parts_of_groups() -> None:
    start = MAY_1 * MICROSECONDS_OF_DAY
    times = [start + number * 1000 for number in range(60)]
    plan = plan_of({MAY_1: 600}, times)
    parts = parts_of(plan, [MAY_1] * 60, times)
    assert parts == sorted(parts)
    assert np.bincount(parts).tolist() == [10] * 6 or max(np.bincount(parts)) <= 12
    assert plan.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_records_of_one_moment_are_divided_by_their_identity() -> None:
    start = MAY_1 * MICROSECONDS_OF_DAY
    plan = plan_of({MAY_1: 1000}, [start + 5] * 100)
    parts = parts_of(plan, [MAY_1] * 1000, [start + 5] * 1000)
    assert len(set(parts)) >= 9
    assert max(np.bincount(parts)) < 200


@pytest.mark.parametrize("day", [NO_DAY, LETTERS, REPLAYED])
def test_records_without_a_time_are_divided_by_their_identity(day: int) -> None:
    plan = plan_of({MAY_1: 10, day: 1000})
    parts = parts_of(plan, [day] * 1000, [0] * 1000)
    assert len(set(parts)) == 10
    assert 0 not in parts


def test_kinds_of_records_never_share_a_group_or_a_folder() -> None:
    plan = plan_of({MAY_1: 10, NO_DAY: 10, LETTERS: 10, REPLAYED: 10})
    days = [MAY_1, NO_DAY, LETTERS, REPLAYED]
    parts = parts_of(plan, days, [MAY_1 * MICROSECONDS_OF_DAY, 0, 0, 0])
    assert len({int(plan.groups[part]) for part in parts}) == 4
    folders = [plan.folder_of(part, day) for part, day in zip(parts, days, strict=True)]
    assert folders == ["event_day=2025-05-01", NO_DAY_FOLDER, "", "replayed"]
    assert [plan.is_dead_letters(part) for part in parts] == [False, False, True, True]


def test_only_the_largest_days_have_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "MOST_FOLDERS", 2)
    sizes = {-700_000: 1, MAY_1: 30, MAY_1 + 1: 2, MAY_1 + 2: 20, 2_900_000: 1}
    plan = plan_of(sizes)
    folders = [
        plan.folder_of(part, day) for part, day in zip(parts_of(plan, [*sizes]), sizes, strict=True)
    ]
    other = NO_DAY_FOLDER
    assert folders == [other, "event_day=2025-05-01", other, "event_day=2025-05-03", other]


def test_without_partitions_all_days_share_files_in_the_order_of_time() -> None:
    plan = plan_of({MAY_1: 90, MAY_1 + 1: 90, MAY_1 + 2: 90}, by_day=False)
    parts = parts_of(plan, [MAY_1, MAY_1 + 1, MAY_1 + 2])
    assert parts == [0, 1, 2]
    assert plan.groups.tolist() == [0, 0, 1]
    assert {plan.folder_of(part, MAY_1) for part in parts} == {""}


def test_a_part_never_begins_before_an_earlier_one() -> None:
    start = MAY_1 * MICROSECONDS_OF_DAY
    times = [start + number for number in range(100)] * 2
    days = {MAY_1 - 1: 30, MAY_1: 2000, MAY_1 + 1: 50, MAY_1 + 2: 300}
    plan = plan_of(days, times)
    for lane in plan.lanes:
        assert (lane.starts[1:] > lane.starts[:-1]).all()
        assert (np.diff(lane.first_parts) > 0).all()
