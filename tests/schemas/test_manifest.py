"""The manifests of the commits of a run are added up, in bounded memory."""

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
        by_record_type={"job": 2, "job_posting": 1},
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
    total = Manifest(run_id="run")
    for _ in range(3):
        total.add(_commit())
    assert (total.read, total.written, total.dead_lettered, total.ignored) == (18, 9, 6, 3)
    assert total.by_record_type == {"job": 6, "job_posting": 3}
    assert total.by_value == {"open": 9}
    assert total.by_source_value_type == {"string": 9}
    assert total.by_derivation == {"unmapped": 9}
    assert total.by_provider == {"lever": {"open": 6}, "null": {"open": 3}}
    assert total.by_day == {"2025-05-01": 6, "null": 3}
    assert total.by_error_code == {"TOO_LARGE": 6}
    assert total.ignored_by_type == {"hris.x": 3}
    assert total.unmapped == [Unmapped("lever", "?", 9)]
    assert total.unreadable_timestamps == 3


def test_adding_does_not_change_the_added_manifest() -> None:
    commit = _commit()
    total = Manifest(run_id="run")
    total.add(commit)
    total.add(commit)
    assert commit == _commit()


def test_names_beyond_a_limit_are_counted_as_other() -> None:
    total = Manifest(run_id="run")
    for number in range(MAX_DAYS + 10):
        name = str(number)
        total.add(
            Manifest(
                run_id=name,
                by_provider={name: {"open": 1}},
                by_day={name: 1},
                ignored_by_type={name: 1},
            )
        )
    assert len(total.by_provider) == MAX_PROVIDERS + 1
    assert total.by_provider[OTHER] == {"open": MAX_DAYS + 10 - MAX_PROVIDERS}
    assert len(total.by_day) == MAX_DAYS + 1
    assert total.by_day[OTHER] == 10
    assert len(total.ignored_by_type) == MAX_IGNORED_TYPES + 1


rows = st.lists(
    st.builds(
        Unmapped, st.sampled_from([None, "", "lever"]), st.sampled_from("abcdef"), st.integers(1, 3)
    ),
    unique_by=lambda row: (row.provider, row.source_value),
)


def _of(*, unmapped: list[Unmapped]) -> Manifest:
    return Manifest(run_id="", unmapped=unmapped)


@given(rows, rows)
def test_the_order_of_commits_does_not_change_the_unmapped_values(
    one: list[Unmapped], two: list[Unmapped]
) -> None:
    first, second = _of(unmapped=one), _of(unmapped=two)
    first.add(_of(unmapped=two))
    second.add(_of(unmapped=one))
    assert first.unmapped == second.unmapped
    counts = [row.count for row in first.unmapped]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(row.count for row in (*one, *two))


def test_files_are_added_and_the_run_id_stays() -> None:
    file = OutputFile("job_status/a.avro", 2, 9, "", "job_status")
    total = Manifest(run_id="a", files=[file])
    total.add(Manifest(run_id="b"))
    assert total.files == [file]
    assert total.run_id == "a"


def test_one_commit_that_is_not_conserved_makes_the_total_not_conserved() -> None:
    total = Manifest(run_id="a")
    total.add(Manifest(run_id="b", conserved=False))
    assert not total.conserved
