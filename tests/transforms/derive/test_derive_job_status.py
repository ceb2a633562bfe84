"""Each distinct combination of a block is derived once, as by the rules."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import record_schema
from schemas.record_kinds import KINDS
from tests.transforms.event_cases import events_of, parsed, parsed_blocks
from tests.transforms.runs import deriver
from transforms.blocks.block import EventBlock
from transforms.blocks.status import JobStatus
from transforms.derive.derive_job_status import StatusDeriver
from transforms.derive.rules import Derived, Deriver, derive

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
)
events = st.fixed_dictionaries(
    {
        "provider": st.sampled_from([None, "lever", "Workable", "bullhorn", "nobody"]),
        "event": st.sampled_from(
            [None, "ats_jobs.updated", "ats_jobs.deleted", "ats_job_postings.updated"]
        ),
        "id": st.just("x"),
        "status": st.none() | words,
        "job_status": st.fixed_dictionaries(
            {}, optional={"value": st.none() | words, "source_value": jsons}
        ),
    }
)


@given(st.lists(events, max_size=12))
def test_every_event_has_the_result_of_the_rules(sent: list[dict[str, Any]]) -> None:
    lines = [json.dumps(event, ensure_ascii=False).encode() for event in sent]
    records = events_of(*parsed_blocks(*lines))
    assert len(records) == len(sent)
    for record in records:
        status = record["job_status"]
        derived = derive(
            deriver().mapping,
            provider=record["provider"],
            event_type=record["event_type"],
            given_value=status["given_value"],
            source_value_type=status["source_value_type"],
            source_value_json=status["source_value_json"],
            legacy_status=record["legacy_status"],
            kind=next(kind for kind in KINDS if kind.name == record["record_type"]),
        )
        assert {name: status[name] for name in Derived._fields} == derived._asdict()
        assert record["mapping_fingerprint"] == deriver().mapping.fingerprint


def test_a_status_has_the_fields_of_the_schema_in_their_order() -> None:
    schema = record_schema("job_status_event").parsed
    (field,) = [each for each in schema["fields"] if each["name"] == "job_status"]
    assert tuple(each["name"] for each in field["type"]["fields"]) == JobStatus._fields


def _block(*providers: str) -> EventBlock:
    return parsed(
        *(b'{"id":"1","provider":"%s","job_status":"open"}' % p.encode() for p in providers)
    )


def _values(block: EventBlock) -> list[str | None]:
    assert block.statuses is not None
    return [block.statuses[number].value for number in block.events.combinations.tolist()]


def test_each_combination_is_derived_once() -> None:
    calls = []

    class Counting(Deriver):
        def __call__(self, provider: str | None, *sent: Any) -> Derived:
            calls.append(provider)
            return super().__call__(provider, *sent)

    step = StatusDeriver(Counting(deriver().mapping))
    block = _block(*["lever", "ashby"] * 50)
    assert _values(step.derive(block)) == ["open"] * 100
    step.derive(block)
    assert calls == ["lever", "ashby"]


def test_another_list_of_combinations_is_derived_again() -> None:
    step = StatusDeriver(Deriver(deriver().mapping))
    assert _values(step.derive(_block("workable", "lever"))) == ["open", "open"]
    closed = parsed(b'{"id":"1","provider":"workable","job_status":"closed"}')
    assert _values(step.derive(closed)) == ["internal"]


def test_an_unexpected_exception_rejects_only_its_events(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = Deriver.__call__

    def buggy(self: Deriver, provider: str | None, *sent: Any) -> Derived:
        if provider == "boom":
            raise ZeroDivisionError("secret of the data")
        return original(self, provider, *sent)

    monkeypatch.setattr(Deriver, "__call__", buggy)
    block = StatusDeriver(Deriver(deriver().mapping)).derive(
        _block("lever", "boom", "ashby", "boom")
    )
    assert _values(block) == ["open", "open"]
    assert [(each.code, each.step, each.message) for each in block.rejections] == (
        [("INTERNAL", "DeriveJobStatus", "ZeroDivisionError")] * 2
    )
    assert b"boom" in block.rejections[0].payload
    assert block.read == 4
    assert "ZeroDivisionError" in caplog.text and "secret" not in caplog.text


def test_a_worker_unpickles_the_rules() -> None:
    again = pickle.loads(pickle.dumps(Deriver(deriver().mapping)))
    assert again.mapping.fingerprint == deriver().mapping.fingerprint
