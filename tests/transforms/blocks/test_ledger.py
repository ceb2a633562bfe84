"""The ledger balances exactly if each event has one outcome and each byte was read once."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.counts import MAX_DAYS, MAX_IGNORED_TYPES, MAX_PROVIDERS, OTHER, Counts
from transforms.blocks.ledger import InputLedger, Ledger, StagedFile
from transforms.blocks.origin import InputNote, Span


def _ledger_of(spans: list[Span], source: str = "a") -> Ledger:
    ledger = Ledger()
    for span in spans:
        ledger.account_for(source, span, None)
    return ledger


def _file(output: str, records: int) -> StagedFile:
    return StagedFile(output, f"{output}.avro", records, 1, "")


def _balanced_ledger() -> Ledger:
    return Ledger(
        read=6,
        written=3,
        dead_lettered=2,
        ignored=1,
        ignored_by_type={"x": 1},
        by_record_type={"job": 3},
        by_value={"open": 2, "null": 1},
        by_source_value_type={"string": 3},
        by_derivation={"given": 3},
        by_provider={"lever": {"open": 2}, "null": {"null": 1}},
        by_day={"2025-05-01": 2, "null": 1},
        by_error_code={"INVALID_JSON": 2},
        inputs={"a": InputLedger(10, 10, None, [(0, 4), (4, 10)])},
        files=[_file("job_status_event", 2), _file("job_status_event", 1), _file("dead_letter", 2)],
    )


def _tiles(bounds: list[int]) -> list[Span]:
    return [Span(start, end) for start, end in pairwise(bounds)]


tilings = st.lists(st.integers(1, 1000), max_size=12).map(
    lambda sizes: _tiles([sum(sizes[:n]) for n in range(len(sizes) + 1)])
)
randoms = st.randoms(use_true_random=False)


def _discrepancy(spans: list[Span], end: int, rng: random.Random) -> str | None:
    """Returns the discrepancy of spans in random order and a random number of bundles."""
    rng.shuffle(spans)
    cuts = sorted(rng.randrange(len(spans) + 1) for _ in range(3))
    bundles = [spans[start:stop] for start, stop in _tiles([0, *cuts, len(spans)])]
    records = [_ledger_of(bundle).to_bytes() for bundle in bundles]
    records.insert(
        rng.randrange(len(records)), Ledger(inputs={"a": InputLedger(end, end)}).to_bytes()
    )
    return Ledger.merged(records).inputs["a"].discrepancy()


@given(tilings, randoms)
def test_spans_that_cover_an_input_once_balance_in_any_order(
    spans: list[Span], rng: random.Random
) -> None:
    end = spans[-1].end if spans else 0
    assert _discrepancy(spans, end, rng) is None


@given(tilings, randoms)
def test_a_missing_span_is_a_discrepancy(spans: list[Span], rng: random.Random) -> None:
    assume(spans)
    end = spans[-1].end
    lost = spans.pop(rng.randrange(len(spans)))
    assert _discrepancy(spans, end, rng) == f"bytes {lost.start} to {lost.end} were not read"


@given(tilings, randoms)
def test_a_span_that_was_read_twice_is_a_discrepancy(spans: list[Span], rng: random.Random) -> None:
    assume(spans)
    end = spans[-1].end
    spans.append(rng.choice(spans))
    found = _discrepancy(spans, end, rng)
    assert found is not None
    assert found.endswith("were read twice")


@given(tilings, randoms, st.integers(1, 1000))
def test_an_overlap_is_a_discrepancy(spans: list[Span], rng: random.Random, by: int) -> None:
    assume(len(spans) > 1)
    number = rng.randrange(1, len(spans))
    start, end = spans[number]
    spans[number] = Span(max(0, start - by), end)
    found = _discrepancy(spans, spans[-1].end, rng)
    assert found is not None
    assert found.endswith("were read twice")


@given(tilings, randoms, st.integers(1, 1000))
def test_unread_bytes_at_the_end_are_a_discrepancy(
    spans: list[Span], rng: random.Random, more: int
) -> None:
    end = spans[-1].end if spans else 0
    assert _discrepancy(spans, end + more, rng) == f"bytes {end} to {end + more} were not read"


def test_adjacent_spans_are_stored_as_one() -> None:
    ledger = _ledger_of([Span(number, number + 1) for number in range(10_000)])
    assert ledger.inputs["a"].spans == [(0, 10_000)]


def test_an_input_that_was_not_read_to_its_end_is_a_discrepancy() -> None:
    assert _ledger_of([Span(0, 5)]).inputs["a"].discrepancy() == "it was not read to its end"


def test_the_note_of_a_reader_sets_the_end_and_the_damage() -> None:
    ledger = Ledger()
    ledger.account_for("a.gz", Span(0, 5), InputNote("a.gz", 5, "truncated"))
    whole = Ledger(inputs={"a.gz": InputLedger(3)})
    whole.merge(ledger)
    assert whole.inputs["a.gz"] == InputLedger(3, 5, "truncated", [(0, 5)])
    assert whole.inputs["a.gz"].discrepancy() is None


@given(st.permutations([10, 5, 7, None]))
def test_a_merge_keeps_the_smallest_of_several_ends_in_any_order(ends: list[int | None]) -> None:
    ledger = Ledger.merged(Ledger(inputs={"a": InputLedger(end=end)}).to_bytes() for end in ends)
    assert ledger.inputs["a"].end == 5


def test_a_balanced_ledger_has_no_discrepancies() -> None:
    assert _balanced_ledger().discrepancies() == []
    assert Ledger().discrepancies() == []


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (lambda ledger: setattr(ledger, "read", 7), "events read, and their outcomes: 7, but 6"),
        (lambda ledger: setattr(ledger, "ignored", 0), "events read, and their outcomes: 6, but 5"),
        (lambda ledger: ledger.ignored_by_type.clear(), "ignored, by type: 1, but 0"),
        (lambda ledger: ledger.files.pop(0), "written, and records in files: 3, but 1"),
        (
            lambda ledger: ledger.files.append(ledger.files[2]),
            "dead letters, and records in files: 2, but 4",
        ),
        (lambda ledger: ledger.by_record_type.clear(), "written, by record type: 3, but 0"),
        (lambda ledger: ledger.by_value.clear(), "written, by value: 3, but 0"),
        (
            lambda ledger: ledger.by_source_value_type.update(array=1),
            "written, by type of source value: 3, but 4",
        ),
        (lambda ledger: ledger.by_derivation.update(given=2), "written, by derivation: 3, but 2"),
        (
            lambda ledger: ledger.by_provider["lever"].update(open=3),
            "written, by provider: 3, but 4",
        ),
        (lambda ledger: ledger.by_day.pop("null"), "written, by day: 3, but 2"),
        (
            lambda ledger: ledger.by_error_code.update(INTERNAL=1),
            "dead letters, by error code: 2, but 3",
        ),
        (lambda ledger: ledger.inputs.update(b=InputLedger(1, 1)), "b: bytes 0 to 1 were not read"),
    ],
)
def test_numbers_that_do_not_add_up_are_reported(
    change: Callable[[Ledger], object], reported: str
) -> None:
    ledger = _balanced_ledger()
    change(ledger)
    assert any(reported in each for each in ledger.discrepancies())


def test_a_merge_adds_all_counts_and_files() -> None:
    ledger = _balanced_ledger()
    ledger.unmapped.add("lever", "?")
    ledger.unreadable_timestamps = 3
    ledger.without_job_id = 1
    ledger.unreadable_by_field = {"event_date": {"aaaa": 3}}
    ledger.assumed_timezone = 2
    ledger.accounts_without_provider = {"17": 2}
    ledger.merge(Ledger.from_bytes(ledger.to_bytes()))
    assert (ledger.read, ledger.written, ledger.dead_lettered, ledger.ignored) == (12, 6, 4, 2)
    assert ledger.by_value == {"open": 4, "null": 2}
    assert ledger.by_source_value_type == {"string": 6}
    assert ledger.by_derivation == {"given": 6}
    assert ledger.by_provider == {"lever": {"open": 4}, "null": {"null": 2}}
    assert ledger.by_day == {"2025-05-01": 4, "null": 2}
    assert ledger.by_error_code == {"INVALID_JSON": 4}
    assert ledger.unreadable_timestamps == 6
    assert ledger.without_job_id == 2
    assert ledger.unreadable_by_field == {"event_date": {"aaaa": 6}}
    assert ledger.assumed_timezone == 4
    assert ledger.accounts_without_provider == {"17": 4}
    assert [(row.source_value, row.count) for row in ledger.unmapped.top()] == [("?", 2)]
    assert len(ledger.files) == 6


def test_a_ledger_survives_encoding() -> None:
    ledger = _balanced_ledger()
    ledger.unmapped.add(None, "?", 2)
    ledger.unmapped.add("lever", "é")
    again = Ledger.from_bytes(ledger.to_bytes())
    assert again.unmapped.state() == ledger.unmapped.state()
    again.unmapped = ledger.unmapped
    assert again == ledger


def test_many_types_of_ignored_events_are_counted_together() -> None:
    ledger = Ledger()
    for bundle in range(10):
        types = {f"type {bundle} {number}": 1 for number in range(MAX_IGNORED_TYPES)}
        ledger.merge(Ledger(ignored=MAX_IGNORED_TYPES + 5, ignored_by_type=types | {OTHER: 5}))
    assert ledger.ignored == 10 * (MAX_IGNORED_TYPES + 5)
    assert len(ledger.ignored_by_type) == MAX_IGNORED_TYPES + 1
    assert ledger.ignored_by_type["type 0 0"] == 1


def test_many_providers_are_counted_together() -> None:
    ledger = Ledger()
    for bundle in range(10):
        names = [f"provider {bundle} {number}" for number in range(MAX_PROVIDERS)]
        table: dict[str, Counts] = {name: {"open": 1, "closed": 2} for name in names}
        ledger.merge(Ledger(by_provider=table | {OTHER: {"draft": 5}}))
    assert len(ledger.by_provider) == MAX_PROVIDERS + 1
    assert ledger.by_provider["provider 0 0"] == {"open": 1, "closed": 2}
    assert ledger.by_provider[OTHER] == {
        "draft": 50,
        "open": 9 * MAX_PROVIDERS,
        "closed": 18 * MAX_PROVIDERS,
    }


def test_many_days_are_counted_together() -> None:
    ledger = Ledger()
    for bundle in range(3):
        ledger.merge(Ledger(by_day={f"day {bundle} {number}": 1 for number in range(MAX_DAYS)}))
    assert len(ledger.by_day) == MAX_DAYS + 1
    assert ledger.by_day[OTHER] == 2 * MAX_DAYS
