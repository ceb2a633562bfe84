"""The counts of a block are the same as those of its rows, counted one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping.tables import load_mapping
from tests.transforms.event_cases import derived, parsed
from transforms.blocks.block import EventBlock
from transforms.blocks.columns import TIMESTAMP
from transforms.blocks.unmapped import MAX_LENGTH
from transforms.derive.derive_job_status import derive_batch
from transforms.derive.rules import Deriver
from transforms.encode.block_ledger import ledger_of

_START = datetime(1, 1, 1, tzinfo=timezone.utc)

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


def _shared(texts: list[str | None]) -> pa.DictionaryArray:
    return pa.array(texts, pa.string()).dictionary_encode(null_encoding="encode")


def _block(rows: list[Row]) -> EventBlock:
    lines = [b'{"id":1,"job_status":{"source_value":"x"}}'] * len(rows)
    block = derived(
        parsed(*lines),
        *({"value": value, "derivation": "absent"} for _, value, _ in rows),
    )
    events = block.events
    micros = [None if at is None else (at - _START) // timedelta(microseconds=1) for *_, at in rows]
    offset = (datetime(1970, 1, 1, tzinfo=timezone.utc) - _START) // timedelta(microseconds=1)
    times = pa.array([None if each is None else each - offset for each in micros], pa.int64())
    for name, column in (
        ("provider", _shared([provider for provider, *_ in rows])),
        ("event_time", times.cast(TIMESTAMP)),
    ):
        events = events.set_column(events.schema.get_field_index(name), name, column)
    return replace(block, events=events)


@given(_rows)
def test_values_are_counted_by_provider(rows: list[Row]) -> None:
    expected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for provider, value, _ in rows:
        name = "null" if provider is None else provider
        name = name if len(name) <= MAX_LENGTH else name[: MAX_LENGTH - 1] + "…"
        expected[name][value or "null"] += 1
    assert ledger_of(_block(rows)).by_provider == expected


@given(_rows)
def test_events_are_counted_by_the_day_of_their_time_in_utc(rows: list[Row]) -> None:
    days = Counter("null" if at is None else at.date().isoformat() for *_, at in rows)
    assert ledger_of(_block(rows)).by_day == days


@given(_rows)
def test_the_counts_by_value_are_the_sum_of_those_by_provider(rows: list[Row]) -> None:
    ledger = ledger_of(_block(rows))
    counted: Counter[str] = Counter()
    for counts in ledger.by_provider.values():
        counted.update(counts)
    assert ledger.by_value == counted


@given(_rows)
def test_events_without_a_provider_are_counted_by_account(rows: list[Row]) -> None:
    block = _block(rows)
    accounts = [None if value is None else f"account {value}" for _, value, _ in rows]
    index = block.events.schema.get_field_index("account_id")
    events = block.events.set_column(index, "account_id", _shared(accounts))
    assert ledger_of(replace(block, events=events)).accounts_without_provider == Counter(
        account or "null"
        for account, (provider, *_) in zip(accounts, rows, strict=True)
        if provider is None
    )


def test_only_jobs_without_an_id_are_counted() -> None:
    block = parsed(b'{"id":"a"}', b'{"remote_id":"r"}', b'{"job_status":"open"}')
    block = derived(block, *[{}] * 3)
    assert ledger_of(block).without_job_id == 2
    index = block.events.schema.get_field_index("record_type")
    kinds = _shared(["job_posting"] * 3)
    events = block.events.set_column(index, "record_type", kinds)
    assert ledger_of(replace(block, events=events)).without_job_id == 0


def test_only_texts_without_a_rule_count_as_unmapped() -> None:
    block = parsed(
        b'{"id":1,"event":"ats_jobs.updated","provider":"acme",'
        b'"event_data":{"id":1,"job_status":{"source_value":"Zonk"}}}',
        b'{"event":"ats_jobs.updated","provider":"cyberrecruiter",'
        b'"event_data":{"id":2,"job_status":{"source_value":"TEMPLATE"}}}',
        b'{"id":3,"job_status":{"source_value":"open"}}',
        b'{"id":4}',
    )
    events = derive_batch(block.events, Deriver(load_mapping()))
    ledger = ledger_of(replace(block, events=events))
    assert ledger.by_value == {"unmapped_value": 2, "open": 1, "null": 1}
    # A rule maps a template to no value, so no rule is missing.
    assert [(row.provider, row.source_value, row.count) for row in ledger.unmapped.top()] == [
        ("acme", "Zonk", 1)
    ]
