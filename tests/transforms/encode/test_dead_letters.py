"""Dead letters keep the exact payload, and the context that it does not have itself."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import Any

import fastavro
import pytest

from schemas.avro import record_schema
from schemas.version import PIPELINE_VERSION
from tests.transforms.event_cases import rejection_of
from transforms.blocks.context import NO_CONTEXT, Context, MessageInfo
from transforms.blocks.rejection import PAYLOAD_HEAD_BYTES, Rejection
from transforms.encode.dead_letter_id import dead_letter_id
from transforms.encode.dead_letters import PayloadPolicy, dead_letters, encoded_dead_letters

_CONTEXT = Context("ats_jobs.x", "d", "p", "a", "lever")


def _letter(
    rejection: Rejection, policy: PayloadPolicy = "full", max_payload_bytes: int = 10_000_000
) -> dict[str, Any]:
    (row,) = dead_letters("/in/x", [rejection], policy, max_payload_bytes)
    return row


def _rejection(payload: bytes, **fields: Any) -> Rejection:
    return Rejection("INVALID_JSON", "ParseEvents", None, "wrong", payload, 7, **fields)


def test_a_record_has_the_fields_of_the_schema() -> None:
    fields = record_schema("dead_letter").parsed["fields"]
    assert list(_letter(_rejection(b""))) == [field["name"] for field in fields]


@pytest.mark.parametrize("count", [1, 1000])
def test_encoded_dead_letters_decode_to_equal_records(count: int) -> None:
    rejections = [
        _rejection(b"%d" % number, context=_CONTEXT if number % 3 else NO_CONTEXT)
        for number in range(count)
    ]
    letters = dead_letters("/in/x", rejections, "full", 100)
    body = io.BytesIO(encoded_dead_letters(letters))
    schema = record_schema("dead_letter").parsed
    assert [fastavro.schemaless_reader(body, schema, None) for _ in letters] == letters
    assert not body.read()


def test_the_payload_is_kept_exactly() -> None:
    payload = bytes(range(256))
    context = replace(_CONTEXT, default_provider="ashby")
    digest = hashlib.sha256(payload).hexdigest()
    assert _letter(_rejection(payload, context=context)) == {
        "dead_letter_id": dead_letter_id("/in/x", None, 7, None, digest, 0),
        "error_code": "INVALID_JSON",
        "step": "ParseEvents",
        "error_path": None,
        "error_message": "wrong",
        "payload": payload,
        "payload_size": 256,
        "payload_truncated": False,
        "payload_sha256": digest,
        "event_type": "ats_jobs.x",
        "event_date": "d",
        "project_id": "p",
        "account_id": "a",
        "provider": "lever",
        "default_provider": "ashby",
        "source": "/in/x",
        "source_offset": 7,
        "message_id": None,
        "publish_time": None,
        "attributes": None,
        "pipeline_version": PIPELINE_VERSION,
        "attempt": 0,
    }


def test_no_rejections_give_no_records() -> None:
    assert dead_letters("/in/x", [], "full", 1) == []


# The payload


def test_a_long_payload_is_truncated() -> None:
    payload = b"x" * (PAYLOAD_HEAD_BYTES + 1)
    letter = _letter(_rejection(payload), max_payload_bytes=PAYLOAD_HEAD_BYTES)
    assert letter["payload"] == payload[:-1]
    assert (letter["payload_size"], letter["payload_truncated"]) == (len(payload), True)
    assert letter["payload_sha256"] == hashlib.sha256(payload).hexdigest()
    whole = _letter(_rejection(payload), max_payload_bytes=len(payload))
    assert (whole["payload"], whole["payload_truncated"]) == (payload, False)


def test_a_limit_below_the_size_of_the_head_is_kept() -> None:
    letter = _letter(_rejection(b"x" * 100), max_payload_bytes=10)
    assert (letter["payload"], letter["payload_truncated"]) == (b"x" * 10, True)


def test_the_head_of_a_payload_has_the_size_and_digest_of_the_whole() -> None:
    letter = _letter(_rejection(b"head", full_size=1000, full_sha256="ab"))
    assert (letter["payload"], letter["payload_truncated"]) == (b"head", True)
    assert (letter["payload_size"], letter["payload_sha256"]) == (1000, "ab")


@pytest.mark.parametrize(
    "rejection", [_rejection(b"x"), _rejection(b"x", full_size=9, full_sha256="d")]
)
def test_the_policy_decides_whether_payload_and_digest_are_kept(rejection: Rejection) -> None:
    digest = rejection.full_sha256 or hashlib.sha256(b"x").hexdigest()
    kept = [
        (letter["payload"], letter["payload_sha256"])
        for letter in (_letter(rejection, policy) for policy in ("full", "hash", "none"))
    ]
    assert kept == [(b"x", digest), (None, digest), (None, "")]
    assert _letter(rejection, "none")["payload_size"] == (rejection.full_size or 1)


# The identity


def _message(message_id: str = "m", published: int = 1) -> Context:
    return Context(message=MessageInfo(message_id, published, {}))


def test_each_delivery_of_a_message_gives_the_same_identity() -> None:
    first, second = (_letter(_rejection(b"x", context=_message(published=at))) for at in (1, 2))
    assert first["publish_time"] != second["publish_time"]
    assert first["dead_letter_id"] == second["dead_letter_id"]


@pytest.mark.parametrize("policy", ["full", "hash", "none"])
def test_each_payload_of_a_message_has_its_own_identity(policy: PayloadPolicy) -> None:
    payloads = [_rejection(b"x", context=_message())._replace(offset=at) for at in (0, 2)]
    assert len({_letter(each, policy)["dead_letter_id"] for each in payloads}) == 2


def test_each_attempt_has_its_own_identity() -> None:
    attempts = [_rejection(b"x", context=replace(_message(), attempt=n)) for n in range(3)]
    assert len({_letter(each)["dead_letter_id"] for each in attempts}) == 3


# The context


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (b'{"id":[]}', _CONTEXT),
        (b'{"id":[],"account_id":"x"}', replace(_CONTEXT, account_id=None)),
        (b'{"id":[],"account_id":null}', _CONTEXT),
        (b'{"event":"ats_jobs.y","id":[]}', replace(_CONTEXT, event_type=None)),
        (b'{"event_date":5,"provider":"p","id":[]}', Context("ats_jobs.x", None, "p", "a", None)),
        (b'{"project_id":1,"data":5}', replace(_CONTEXT, project_id=None)),
        (b'{"account_id":"x"', _CONTEXT),
        (b'{"account_id":"\xff"}', replace(_CONTEXT, account_id=None)),
        (b'{"\xff":1,"account_id":"x"}', _CONTEXT),
        (b'{"x":' + b"[" * 100_000, _CONTEXT),
        (b"[]", _CONTEXT),
        (b"", _CONTEXT),
    ],
)
def test_the_context_has_only_the_fields_that_the_payload_does_not_have(
    payload: bytes, kept: Context
) -> None:
    letter = _letter(_rejection(payload, context=_CONTEXT))
    names = ("event_type", "event_date", "project_id", "account_id", "provider")
    assert Context(*(letter[name] for name in names)) == kept


def test_a_rejected_job_of_a_page_has_the_fields_of_the_page() -> None:
    page = '{"event":"ats_jobs.x","account_id":5,"event_data":[{"id":{},"provider":"own"}]}'
    letter = _letter(rejection_of(page, context=Context(provider="flag", project_id="flag")))
    assert letter["payload"] == b'{"id":{},"provider":"own"}'
    assert (letter["event_type"], letter["account_id"]) == ("ats_jobs.x", "5")
    assert (letter["provider"], letter["project_id"]) == (None, "flag")
    assert (letter["error_path"], letter["source_offset"]) == ("$.id", page.index('{"id"'))


# The message


@pytest.mark.parametrize("message", ["x" * 2000, "é" * 600, "€" * 400, "short é"])
def test_the_message_is_truncated_between_characters(message: str) -> None:
    kept = _letter(_rejection(b"")._replace(message=message))["error_message"]
    assert len(kept.encode()) <= 1024
    assert message.startswith(kept)
    assert len(kept.encode()) > 1020 or kept == message
