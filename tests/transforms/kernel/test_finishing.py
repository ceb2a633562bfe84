"""The identity is the same for the same event, and another for any other event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import PAYLOADS, events_in, found_in, rows_of
from tests.transforms.kernel.rows import finished
from transforms.blocks.context import Context
from transforms.kernel.finishing import IDENTITY_FIELDS
from transforms.kernel.rows import PAYLOAD

_TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def _event_id(fields: Sequence[str | None], payload: bytes) -> str:
    digest = blake2b(digest_size=16, person=b"job-status/1")
    for text in fields:
        if text is None:
            digest.update(bytes([0]))
        else:
            digest.update(bytes([1]))
            digest.update(len(text.encode()).to_bytes(4, "big"))
            digest.update(text.encode())
    if not any(fields[5:9]):
        digest.update(payload)
    return digest.hexdigest()


@given(st.lists(st.tuples(st.lists(_TEXTS, min_size=13, max_size=13), st.binary(max_size=300))))
def test_the_identity_is_the_specified_digest(rows: list[tuple[list[str | None], bytes]]) -> None:
    events = finished(
        [
            {**dict(zip(IDENTITY_FIELDS, fields, strict=True)), PAYLOAD: payload}
            for fields, payload in rows
        ]
    )
    found = [each.tobytes().hex() for each in events.ids]
    assert found == [_event_id(fields, payload) for fields, payload in rows]


@pytest.mark.parametrize("size", [0, 1, 62, 63, 64, 100_000, 3_000_000])
def test_a_text_of_any_length_is_part_of_the_identity(size: int) -> None:
    fields: list[str | None] = ["x" * size, *[None] * 12]
    rows: list[list[str | None]] = [fields, ["y"] * 13, fields[::-1]]
    events = finished([dict(zip(IDENTITY_FIELDS, each, strict=True)) for each in rows])
    assert [each.tobytes().hex() for each in events.ids] == [_event_id(each, b"") for each in rows]


def test_the_identity_of_a_known_event_never_changes() -> None:
    # Existing outputs depend on this value.
    payload = {
        **{"event": "ats_jobs.updated", "event_date": "2025-05-01T10:00:00Z", "account_id": 1.5},
        **{"provider": "lever", "sent_at": "now", "record_remote_id": "r"},
        "event_data": {"id": "é", "job_status": {"source_value": "open"}, "updated_at": "soon"},
    }
    (event,) = events_in(json.dumps(payload, ensure_ascii=False))
    of_event = ["job", "1.5", "lever", "ats_jobs.updated", "2025-05-01T10:00:00Z", "é", "r"]
    of_status = [None, None, None, "soon", '{"source_value": "open"}', None]
    assert event["event_id"] == _event_id([*of_event, *of_status], b"")
    assert event["event_id"] == "e024f2b6c466831190878a2f23474f23"


def _base(**changes: Any) -> dict[str, Any]:
    job = {"id": "j", "remote_id": "r", "job_status": {"source_value": "open"}, "status": "s"}
    job |= {"created_at": "c", "updated_at": "u"}
    envelope = {"event": "ats_jobs.updated", "event_date": "d", "account_id": "a", "provider": "p"}
    for name, value in changes.items():
        (job if name in job else envelope)[name] = value
    return {**envelope, "event_data": job}


def _id_of(payload: dict[str, Any]) -> str:
    (event,) = events_in(json.dumps(payload))
    identity: str = event["event_id"]
    return identity


def test_an_event_that_is_sent_twice_has_one_identity() -> None:
    assert _id_of(_base(sent_at="now", raw_event={})) == _id_of(_base(sent_at="later", title="x"))
    assert _id_of(_base(project_id="x")) == _id_of(_base())


@pytest.mark.parametrize(
    "name",
    [
        *("account_id", "provider", "event", "event_date", "id", "remote_id", "created_at"),
        *("updated_at", "job_status", "status"),
    ],
)
def test_another_value_of_any_field_gives_another_identity(name: str) -> None:
    others: list[Any] = ["ats_jobs.x", "ats_jobs.", None]
    if name == "job_status":
        others = [{}, "open", None, 1]
    identities = {_id_of(_base()), *(_id_of(_base(**{name: other})) for other in others)}
    assert len(identities) == len(others) + 1


def test_text_that_moves_to_another_field_gives_another_identity() -> None:
    assert _id_of(_base(id="ab", remote_id="c")) != _id_of(_base(id="a", remote_id="bc"))
    assert _id_of(_base(created_at=None)) != _id_of(_base(created_at=""))


def test_the_payload_identifies_an_event_without_ids() -> None:
    nameless = {"id": None, "remote_id": None}
    assert _id_of(_base(**nameless)) == _id_of(_base(**nameless))
    assert _id_of(_base(**nameless)) != _id_of(_base(**nameless, title="x"))
    assert _id_of(_base(id="j", remote_id=None)) == _id_of(_base(id="j", remote_id=None, title="x"))


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_id_identifies_no_event(empty: str | None) -> None:
    nameless = {"id": "", "remote_id": empty}
    assert _id_of(_base(**nameless)) != _id_of(_base(**nameless, title="x"))


def test_the_provider_of_a_message_is_part_of_the_identity_and_a_default_is_not() -> None:
    payload = json.dumps(_base(provider=None))
    (bare,) = events_in(payload)
    (sent,) = events_in(payload, context=Context(provider="lever"))
    (assumed,) = events_in(payload, context=Context(default_provider="lever"))
    assert (bare["provider"], sent["provider"], assumed["provider"]) == (None, "lever", "lever")
    assert sent["event_id"] == _id_of(_base(provider="lever")) != bare["event_id"]
    assert assumed["event_id"] == bare["event_id"]


@given(PAYLOADS)
def test_a_payload_has_the_same_identities_at_any_place(text: str) -> None:
    payload = text.encode()
    first = [row["event_id"] for row in rows_of(found_in(payload))]
    assert [row["event_id"] for row in rows_of(found_in(payload, offset=77))] == first
    within = rows_of(found_in(b'[{"id":"z"},' + payload + b"]"))
    assert [row["event_id"] for row in within[1:]] == first
