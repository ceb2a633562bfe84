"""Deriving a block by columns has the same result as deriving each row."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import record_schema
from schemas.record_kinds import KINDS
from tests.transforms.runs import deriver
from transforms.blocks.block import EventBlock
from transforms.blocks.columns import PARSED, STATUS_TEXT
from transforms.blocks.context import NO_CONTEXT
from transforms.derive.derive_job_status import JOB_STATUS, derive_batch, derive_block
from transforms.derive.rules import Derived, Deriver, derive
from transforms.json.text import kind_of

words = st.sampled_from(
    ["open", "Closed", "onHold", "Live", "unmapped_value", "", " ", "?", "1", "é", "a" * 300]
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-2, 12), st.just(1.0), words)
jsons = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["label", "id", "value", "source_value", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=5,
).map(lambda value: json.dumps(value, ensure_ascii=False))


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    """A status from ParseEvents."""
    text = draw(st.one_of(st.none(), jsons))
    kind = "missing" if text is None else kind_of(text.encode())
    return {
        "given_value": draw(st.one_of(st.none(), words)),
        "source_value_json": None if kind == "null" else text,
        "source_value_type": kind,
    }


rows = st.fixed_dictionaries(
    {
        "provider": st.sampled_from([None, "lever", "Workable", "bullhorn", "nobody"]),
        "event_type": st.sampled_from([None, "ats_jobs.updated", "ats_jobs.deleted"]),
        "legacy_status": st.one_of(st.none(), words),
        "record_type": st.sampled_from([kind.name for kind in KINDS]),
        "job_status": statuses(),
    }
)


def _batch(events: list[dict[str, Any]], *, repeat_statuses: bool = False) -> pa.RecordBatch:
    """Returns a batch as from ParseEvents, optionally with repeated and unused statuses."""
    columns: dict[str, pa.Array] = {}
    for field in PARSED:
        values = [event.get(field.name) for event in events]
        if field.name == "job_status":
            columns[field.name] = _status_column(values, repeat_statuses)
        elif pa.types.is_dictionary(field.type):
            texts = pa.array(values, pa.string())
            columns[field.name] = texts.dictionary_encode(null_encoding="encode")
        else:
            columns[field.name] = pa.array(values, field.type)
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _status_column(values: list[Any], repeat: bool) -> pa.DictionaryArray:
    if repeat:
        unused = {**dict.fromkeys(STATUS_TEXT.names), "source_value_type": "missing"}
        distinct = [unused, *values]
        indices = list(range(1, len(distinct)))
    else:
        distinct = list({str(each): each for each in values}.values())
        indices = [distinct.index(each) for each in values]
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.array(distinct, STATUS_TEXT)
    )


def _row_by_row(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    derived = []
    for event in events:
        sent = event["job_status"]
        (kind,) = (kind for kind in KINDS if kind.name == event["record_type"])
        result = derive(
            deriver().mapping,
            kind=kind,
            provider=event["provider"],
            event_type=event["event_type"],
            legacy_status=event["legacy_status"],
            **sent,
        )
        derived.append({**sent, **result._asdict()})
    return derived


@given(st.lists(rows, max_size=12), st.booleans())
def test_a_batch_has_the_results_of_its_rows(
    events: list[dict[str, Any]], repeat_statuses: bool
) -> None:
    batch = derive_batch(_batch(events, repeat_statuses=repeat_statuses), deriver())
    assert batch.column("job_status").to_pylist() == _row_by_row(events)


@given(st.lists(rows, min_size=1, max_size=10), st.data())
def test_a_slice_has_the_results_of_its_rows(events: list[dict[str, Any]], data: Any) -> None:
    start = data.draw(st.integers(0, len(events)))
    batch = _batch(events).slice(start)
    assert derive_batch(batch, deriver()).column("job_status").to_pylist() == (
        _row_by_row(events[start:])
    )


@given(st.lists(rows, max_size=5))
def test_the_other_columns_stay_and_the_fingerprint_is_added(events: list[dict[str, Any]]) -> None:
    before = _batch(events)
    after = derive_batch(before, deriver())
    assert after.schema.names == [*PARSED.names, "mapping_fingerprint"]
    for name in PARSED.names:
        if name != "job_status":
            assert after.column(name) == before.column(name)
    assert set(after.column("mapping_fingerprint").to_pylist()) <= {deriver().mapping.fingerprint}
    after.validate(full=True)


def test_the_columns_have_the_order_of_the_schema() -> None:
    schema = record_schema("job_status_event").parsed
    (field,) = [each for each in schema["fields"] if each["name"] == "job_status"]
    assert [each["name"] for each in field["type"]["fields"]] == [each.name for each in JOB_STATUS]


def test_each_distinct_input_is_derived_once() -> None:
    status = {"given_value": None, "source_value_json": '"open"', "source_value_type": "string"}
    event = {"provider": "lever", "event_type": None, "legacy_status": None, "job_status": status}
    event["record_type"] = "job"
    other = {**event, "provider": "ashby"}
    calls = []

    class Counting(Deriver):
        def __call__(self, *sent: Any) -> Derived:
            calls.append(sent)
            return super().__call__(*sent)

    derive_batch(_batch([event, other] * 50), Counting(deriver().mapping))
    assert sorted(call[0] for call in calls) == ["ashby", "lever"]


def _block(providers: list[str]) -> EventBlock:
    status = {"given_value": None, "source_value_json": '"open"', "source_value_type": "string"}
    events = [
        {
            **{"provider": each, "event_type": None, "legacy_status": None, "job_status": status},
            "record_type": "job",
        }
        for each in providers
    ]
    payloads = [each.encode() for each in providers]
    return EventBlock("a", _batch(events), payloads, [NO_CONTEXT] * len(payloads), read=len(events))


def _process(block: EventBlock) -> list[EventBlock]:
    # A worker unpickles it.
    return list(derive_block(block, pickle.loads(pickle.dumps(Deriver(deriver().mapping)))))


def test_a_block_stays_one_block() -> None:
    (block,) = _process(_block(["lever", "ashby"]))
    assert [each["value"] for each in block.events.column("job_status").to_pylist()] == (
        ["open", "open"]
    )
    assert (block.read, block.rejections) == (2, [])


def test_an_unexpected_exception_rejects_only_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Deriver.__call__

    def buggy(self: Deriver, provider: str | None, *sent: Any) -> Derived:
        if provider == "boom":
            raise ZeroDivisionError("secret of the data")
        return original(self, provider, *sent)

    monkeypatch.setattr(Deriver, "__call__", buggy)
    blocks = _process(_block(["lever", "boom", "ashby"]))
    values = [
        row["value"] for block in blocks for row in block.events.column("job_status").to_pylist()
    ]
    assert values == ["open", "open"]
    (rejection,) = [each for block in blocks for each in block.rejections]
    assert (rejection.code, rejection.step, rejection.payload) == (
        ("INTERNAL", "DeriveJobStatus", b"boom")
    )
    assert "secret" not in rejection.message
    assert sum(block.read for block in blocks) == 3
