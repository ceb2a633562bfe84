"""The counts of a block are the same as those of its rows, counted one by one."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import derived, parsed, parsed_blocks
from tests.transforms.runs import status_deriver
from transforms.blocks.ledger import Ledger
from transforms.blocks.unmapped import MAX_LENGTH
from transforms.encode.encode_avro import BlockEncoder

_rows = st.lists(
    st.tuples(
        st.sampled_from([None, "", "lever", "Lever", "null", "x" * 300]),
        st.sampled_from([None, "open", "closed"]),
        st.none()
        | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc))
        | st.sampled_from([0, 1]).map(
            lambda minute: datetime(1969, 12, 31, 23, 59 * minute, tzinfo=timezone.utc)
        ),
    ),
    min_size=1,
    max_size=12,
)
Row = tuple[str | None, str | None, datetime | None]


def _ledger(rows: list[Row]) -> Ledger:
    """Returns the ledger of events with these providers, values and times."""
    lines = [
        json.dumps({"id": 1, "provider": provider, "updated_at": at and at.isoformat()}).encode()
        for provider, _, at in rows
    ]
    values = ({"value": value, "derivation": "absent"} for _, value, _ in rows)
    return BlockEncoder("null", "full", 1000).encode(derived(parsed(*lines), *values)).ledger


@given(_rows)
def test_values_are_counted_by_provider(rows: list[Row]) -> None:
    expected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for provider, value, _ in rows:
        name = "null" if provider is None else provider
        name = name if len(name) <= MAX_LENGTH else name[: MAX_LENGTH - 1] + "…"
        expected[name][value or "null"] += 1
    assert _ledger(rows).by_provider == expected


@given(_rows)
def test_events_are_counted_by_the_day_of_their_time_in_utc(rows: list[Row]) -> None:
    days = Counter("null" if at is None else at.date().isoformat() for *_, at in rows)
    assert _ledger(rows).by_day == days


@given(_rows)
def test_the_counts_by_value_are_the_sum_of_those_by_provider(rows: list[Row]) -> None:
    ledger = _ledger(rows)
    counted: Counter[str] = Counter()
    for counts in ledger.by_provider.values():
        counted.update(counts)
    assert ledger.by_value == counted


@given(_rows)
def test_events_without_a_provider_are_counted_by_account(rows: list[Row]) -> None:
    accounts = [None if value is None else f"account {value}" for _, value, _ in rows]
    lines = [
        json.dumps({"id": 1, "provider": provider, "account_id": account}).encode()
        for account, (provider, *_) in zip(accounts, rows, strict=True)
    ]
    ledger = BlockEncoder("null", "full", 1000).encode(derived(parsed(*lines))).ledger
    assert ledger.accounts_without_provider == Counter(
        account or "null"
        for account, (provider, *_) in zip(accounts, rows, strict=True)
        if provider is None
    )


def test_only_jobs_without_an_id_are_counted() -> None:
    jobs = b'{"id":"a"}', b'{"event":"ats_jobs.x","remote_id":"r"}'
    postings = b'{"event":"ats_job_postings.x","record_id":"p"}'
    blocks = [derived(block) for block in parsed_blocks(*jobs, postings)]
    ledgers = [BlockEncoder("null", "full", 1000).encode(block).ledger for block in blocks]
    assert [ledger.without_job_id for ledger in ledgers] == [1, 0]
    assert [ledger.by_record_type for ledger in ledgers] == [{"job": 2}, {"job_posting": 1}]


def test_only_texts_without_a_rule_count_as_unmapped() -> None:
    block = parsed(
        b'{"id":1,"event":"ats_jobs.updated","provider":"acme",'
        b'"event_data":{"id":1,"job_status":{"source_value":"Zonk"}}}',
        b'{"event":"ats_jobs.updated","provider":"cyberrecruiter",'
        b'"event_data":{"id":2,"job_status":{"source_value":"TEMPLATE"}}}',
        b'{"id":3,"job_status":{"source_value":"open"}}',
        b'{"id":4}',
    )
    ledger = BlockEncoder("null", "full", 1000).encode(status_deriver().derive(block)).ledger
    assert ledger.by_value == {"unmapped_value": 2, "open": 1, "null": 1}
    # A rule maps a template to no value, so no rule is missing.
    assert [(row.provider, row.source_value, row.count) for row in ledger.unmapped.top()] == [
        ("acme", "Zonk", 1)
    ]
