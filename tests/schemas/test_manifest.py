"""The commits of one run add up, in a memory that does not grow with them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.counts import MAX_DAYS, MAX_IGNORED_TYPES, MAX_PROVIDERS, OTHER
from schemas.manifest import Manifest, OutputFile, Unmapped


def _commit() -> Manifest:
    return Manifest(
        run_id="a",
        read=6,
        written=3,
        dead_lettered=2,
        ignored=1,
        by_value={"open": 3},
        by_source_value_type={"string": 3},
        by_derivation={"unmapped": 3},
        by_provider={"lever": {"open": 2}, "null": {"open": 1}},
        by_day={"2025-05-01": 2, "null": 1},
        by_error_code={"TOO_LARGE": 2},
        ignored_by_type={"hris.x": 1},
        unmapped=[Unmapped("lever", "?", 3)],
        unreadable_timestamps=1,
    )


def test_all_counts_are_added() -> None:
    sum_of = Manifest(run_id="run")
    for _ in range(3):
        sum_of.add(_commit())
    assert (sum_of.read, sum_of.written, sum_of.dead_lettered, sum_of.ignored) == (18, 9, 6, 3)
    assert sum_of.by_value == {"open": 9}
    assert sum_of.by_source_value_type == {"string": 9}
    assert sum_of.by_derivation == {"unmapped": 9}
    assert sum_of.by_provider == {"lever": {"open": 6}, "null": {"open": 3}}
    assert sum_of.by_day == {"2025-05-01": 6, "null": 3}
    assert sum_of.by_error_code == {"TOO_LARGE": 6}
    assert sum_of.ignored_by_type == {"hris.x": 3}
    assert sum_of.unmapped == [Unmapped("lever", "?", 9)]
    assert sum_of.unreadable_timestamps == 3


def test_what_was_added_stays_as_it_was() -> None:
    commit = _commit()
    sum_of = Manifest(run_id="run")
    sum_of.add(commit)
    sum_of.add(commit)
    assert commit == _commit()


def test_names_that_never_end_take_no_more_room() -> None:
    sum_of = Manifest(run_id="run")
    for number in range(MAX_DAYS + 10):
        name = str(number)
        sum_of.add(
            Manifest(
                run_id=name,
                by_provider={name: {"open": 1}},
                by_day={name: 1},
                ignored_by_type={name: 1},
            )
        )
    assert len(sum_of.by_provider) == MAX_PROVIDERS + 1
    assert sum_of.by_provider[OTHER] == {"open": MAX_DAYS + 10 - MAX_PROVIDERS}
    assert len(sum_of.by_day) == MAX_DAYS + 1
    assert sum_of.by_day[OTHER] == 10
    assert len(sum_of.ignored_by_type) == MAX_IGNORED_TYPES + 1


rows = st.lists(
    st.builds(
        Unmapped, st.sampled_from([None, "", "lever"]), st.sampled_from("abcdef"), st.integers(1, 3)
    ),
    unique_by=lambda row: (row.provider, row.source_value),
)


def _of(*, unmapped: list[Unmapped]) -> Manifest:
    return Manifest(run_id="", unmapped=unmapped)


@given(rows, rows)
def test_unmapped_texts_add_up_to_the_same_in_either_order(
    one: list[Unmapped], two: list[Unmapped]
) -> None:
    first, second = _of(unmapped=one), _of(unmapped=two)
    first.add(_of(unmapped=two))
    second.add(_of(unmapped=one))
    assert first.unmapped == second.unmapped
    counts = [row.count for row in first.unmapped]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(row.count for row in (*one, *two))


def test_files_add_up_and_the_run_stays_the_first() -> None:
    file = OutputFile("job_status/a.avro", 2, 9, "", "job_status")
    total = Manifest(run_id="a", files=[file])
    total.add(Manifest(run_id="b"))
    assert total.files == [file]
    assert total.run_id == "a"


def test_one_commit_whose_books_do_not_close_is_enough() -> None:
    total = Manifest(run_id="a")
    total.add(Manifest(run_id="b", conserved=False))
    assert not total.conserved
