"""The manifests of a run that committed many times add up to one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.manifest import Manifest, OutputFile, Unmapped

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


def test_counts_files_and_outcomes_add_up() -> None:
    file = OutputFile("job_status/a.avro", 2, 9, "", "job_status")
    total = Manifest(run_id="a", read=3, written=2, ignored=1, by_value={"open": 2}, files=[file])
    total.add(
        Manifest(run_id="b", read=4, written=3, dead_lettered=1, by_value={"open": 1, "closed": 2})
    )
    assert (total.read, total.written, total.dead_lettered, total.ignored) == (7, 5, 1, 1)
    assert total.by_value == {"open": 3, "closed": 2}
    assert total.files == [file]
    assert total.run_id == "a"


def test_one_commit_whose_books_do_not_close_is_enough() -> None:
    total = Manifest(run_id="a")
    total.add(Manifest(run_id="b", conserved=False))
    assert not total.conserved
