"""Payloads become events, or rejections with the right error."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.transforms.event_cases import (
    EMPTIES,
    LONE,
    NUMBERS,
    PAYLOADS,
    PAYLOADS_WITH_LONE_SURROGATES,
    broken,
    event_finder,
    events_in,
    expected_outcomes,
    found_in,
    outcomes_in,
    payloads_in,
    payloads_of,
    rejection_of,
    rows_of,
)
from transforms.blocks.context import Context
from transforms.blocks.rejection import PAYLOAD_HEAD_BYTES

_ENVELOPE = {
    "event": "ats_jobs.updated",
    "event_date": "2025-05-01T10:00:00.000Z",
    "project_id": "p",
    "account_id": "45355976281015164504",
    "provider": "greenhouse",
    "record_id": "e1",
    "record_remote_id": "e2",
}
_JOB = {"id": "j1", "remote_id": "j2", "job_status": {"value": None, "source_value": "closed"}}


def _ids(events: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(event["job_id"], event["remote_job_id"]) for event in events]


def _read(payload: Any, **options: Any) -> list[dict[str, Any]]:
    return events_in(json.dumps(payload), **options)


# Forms of payloads


@pytest.mark.parametrize("name", ["event_data", "data"])
def test_an_envelope_with_a_job_is_an_event(name: str) -> None:
    (event,) = _read({**_ENVELOPE, name: _JOB})
    assert event["event_type"] == "ats_jobs.updated"
    assert event["project_id"] == "p"
    assert event["account_id"] == "45355976281015164504"
    assert event["provider"] == "greenhouse"
    assert (event["job_id"], event["remote_job_id"]) == ("j1", "j2")
    assert event["job_status"]["source_value_json"] == '"closed"'


@pytest.mark.parametrize("name", ["event_data", "data"])
def test_an_envelope_with_several_jobs_is_an_event_per_job(name: str) -> None:
    events = _read({**_ENVELOPE, name: [_JOB, {"id": "j3"}]})
    assert _ids(events) == [("j1", "j2"), ("j3", None)]
    assert {event["event_type"] for event in events} == {"ats_jobs.updated"}
    assert {event["account_id"] for event in events} == {"45355976281015164504"}
    assert {event["event_time"] for event in events} == {events[0]["event_time"]}
    assert events[0]["event_time"] is not None


def test_event_data_wins_over_data() -> None:
    assert _ids(_read({**_ENVELOPE, "event_data": _JOB, "data": {"id": "x"}})) == [("j1", "j2")]
    assert _ids(_read({**_ENVELOPE, "event_data": None, "data": _JOB})) == [("j1", "j2")]


def test_an_envelope_without_a_job_has_the_ids_of_the_record() -> None:
    (event,) = _read({**_ENVELOPE, "event": "ats_jobs.deleted"})
    assert (event["job_id"], event["remote_job_id"]) == ("e1", "e2")
    assert event["job_status"]["source_value_type"] == "missing"


@pytest.mark.parametrize("empty", EMPTIES)
def test_data_is_read_if_event_data_is_empty(empty: str) -> None:
    envelope = f'{{"event":"ats_jobs.x","event_data":{empty},"data":%s}}'
    assert _ids(events_in(envelope % '{"id":"a"}')) == [("a", None)]
    assert _ids(events_in(envelope % '[{"id":"a"},{"id":"b"}]')) == [("a", None), ("b", None)]
    assert rejection_of(envelope % "[null]").path == "$"
    assert rejection_of(envelope % "5").path == "$.data"


@pytest.mark.parametrize("empty", EMPTIES)
@pytest.mark.parametrize(
    "jobs", ['"event_data":%s', '"data":%s', '"event_data":%s,"data":%s', '"data":%s,"next":null']
)
def test_an_envelope_with_only_empty_jobs_is_one_event(jobs: str, empty: str) -> None:
    jobs = jobs.replace("%s", empty)
    payload = f'{{"event":"ats_jobs.deleted","record_id":"r1",{jobs}}}'
    (event,) = events_in(payload)
    assert (event["event_type"], event["job_id"]) == ("ats_jobs.deleted", "r1")


def test_event_data_with_only_unused_fields_is_not_empty() -> None:
    payload = {**_ENVELOPE, "event_data": {"title": "x"}, "data": _JOB}
    assert _ids(_read(payload)) == [("e1", "e2")]


@pytest.mark.parametrize("empty", EMPTIES)
def test_an_object_without_an_event_type_and_with_empty_event_data_is_a_job(empty: str) -> None:
    assert _ids(events_in(f'{{"event_data":{empty},"id":"a"}}')) == [("a", None)]


@pytest.mark.parametrize("empty", EMPTIES)
def test_an_object_without_jobs_is_an_event_if_its_event_type_is_known(empty: str) -> None:
    payload = f'{{"next":null,"data":{empty}}}'
    (event,) = events_in(payload, context=Context(event_type="ats_jobs.x"))
    assert event["event_type"] == "ats_jobs.x"
    (event,) = events_in(f'{{"event":"ats_jobs.x","event_data":[{payload}]}}')
    assert event["event_type"] == "ats_jobs.x"
    assert found_in(payload.encode(), context=Context(event_type="hris.x")).ignored == {"hris.x": 1}


def test_a_flat_envelope_is_its_own_job() -> None:
    for extra in ("{}", '{"data":null}', '{"event_data":{},"data":[]}'):
        (event,) = _read({**_ENVELOPE, **_JOB, **json.loads(extra)})
        assert (event["job_id"], event["remote_job_id"]) == ("j1", "j2")
        assert event["job_status"]["source_value_json"] == '"closed"'


def test_the_id_of_the_record_replaces_a_missing_id_of_the_job() -> None:
    assert _ids(_read({**_ENVELOPE, "data": {"id": None, "remote_id": "r"}})) == [("e1", "r")]
    assert _ids(_read({**_ENVELOPE, "data": {"id": "j"}})) == [("j", "e2")]


def test_the_jobs_of_an_array_do_not_get_the_id_of_the_record() -> None:
    assert _ids(_read({**_ENVELOPE, "data": [{"title": "a"}, {"id": "j"}]})) == [
        (None, None),
        ("j", None),
    ]


def test_a_job_without_an_envelope_is_an_event() -> None:
    (event,) = _read({**_JOB, "title": "Archaeologist"})
    assert event["event_type"] is None
    assert (event["job_id"], event["remote_job_id"]) == ("j1", "j2")


def test_a_job_with_only_one_known_field_is_an_event() -> None:
    assert _ids(_read({"remote_id": "r"})) == [(None, "r")]
    assert _ids(_read({"title": "Archaeologist", "unknown": 1})) == [(None, None)]


def test_a_page_is_an_event_per_job() -> None:
    page = {"next": "n", "data": [_JOB, {"id": "j3"}], "raw": [{}]}
    assert _ids(_read(page)) == [("j1", "j2"), ("j3", None)]
    assert _ids(_read({"data": _JOB})) == [("j1", "j2")]


def test_a_page_with_an_empty_job_is_an_event() -> None:
    assert _ids(events_in('{"data":{}}')) == [(None, None)]
    assert _ids(events_in('{"data":[{"title":"x"}]}')) == [(None, None)]


@pytest.mark.parametrize(
    "page", ['{"data":[]}', '{"data":[ ]}', '{"data":null}', '{"next":null,"data":null,"id":"x"}']
)
def test_a_page_without_jobs_has_no_event(page: str) -> None:
    assert events_in(page) == []


def test_an_array_may_hold_all_forms_of_payloads() -> None:
    shapes = [_JOB, {**_ENVELOPE, "data": {"id": "a"}}, {"data": [{"id": "b"}]}, [{"id": "c"}], []]
    events = _read(shapes)
    assert [event["job_id"] for event in events] == ["j1", "a", "b", "c"]


@pytest.mark.parametrize("white", ["", " ", "\r\n\t"])
@pytest.mark.parametrize("form", ['{"id":"%d"}', '[{"id":"%d"}]'])
def test_payloads_may_follow_one_another(form: str, white: str) -> None:
    events = events_in(white.join(form % number for number in range(3)))
    assert [event["job_id"] for event in events] == ["0", "1", "2"]


def test_pages_may_be_nested_in_pages_and_arrays() -> None:
    payload = b' [ [ {"data" : [ {"id":"a"} , {"data":[ {"id":"b"},{"id":"c"} ]} ]} ], {"id":"d"} ]'
    rows = found_in(payload, offset=1000)
    assert [row["job_id"] for row in rows_of(rows)] == ["a", "b", "c", "d"]
    for offset, text in payloads_in(rows):
        assert payload[offset - 1000 :].startswith(text)


def test_an_element_has_its_own_text_and_offset() -> None:
    payload = b'{"data" : [ {"id":"a"},\n {"id":"b" } ]}'
    rows = found_in(payload, offset=500)
    texts = [b'{"id":"a"}', b'{"id":"b" }']
    assert payloads_in(rows) == [(500 + payload.index(text), text) for text in texts]


def test_a_field_of_an_element_wins_over_that_of_the_envelope() -> None:
    payload = {**_ENVELOPE, "data": [{"id": "a", "provider": "lever", "account_id": 7}]}
    (event,) = _read(payload)
    assert (event["provider"], event["account_id"]) == ("lever", "7")


# Payloads that are not events


@pytest.mark.parametrize(
    "payload", ["1", '"x"', "null", "true", " -0.5e7 ", "{}", '{"a":{"id":"x"}}']
)
def test_json_without_a_known_field_is_not_an_event(payload: str) -> None:
    assert rejection_of(payload).code == "NOT_AN_EVENT"


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b" ", b"{", b"[1", b"nul", b"-", b"{'id':1}", b"\xef\xbb\xbf{}"),
        *(b'{"id":}', b'{"id":"a"} x', b'{"id":"\n"}', b'{"id":01}', b'{"id":"x",}'),
        *(b'{"id":"\\x"}', b'{"id":"unterminated'),
    ],
)
def test_a_payload_that_is_not_json_is_one_dead_letter(payload: bytes) -> None:
    rejection = rejection_of(payload)
    assert (rejection.code, rejection.payload, rejection.path) == ("INVALID_JSON", payload, None)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("name", ["id", "unknown", "job_status", "created_at"])
def test_the_constants_of_javascript_are_not_json(constant: str, name: str) -> None:
    assert rejection_of(f'{{"id":"a","{name}":{constant}}}').code == "INVALID_JSON"


def test_utf16_is_one_dead_letter() -> None:
    text = json.dumps(_JOB)
    assert rejection_of(text.encode("utf-16")).code == "INVALID_UTF8"
    assert rejection_of(text.encode("utf-16-le")).code == "INVALID_JSON"


def test_invalid_utf8_anywhere_is_found() -> None:
    for payload in (b'{"id":"\xff"}', b'{"unknown":"\xc3("}', b'{"\xed\xa0\x80":1,"id":"a"}'):
        rejection = rejection_of(payload)
        assert (rejection.code, rejection.payload) == ("INVALID_UTF8", payload)
        assert rejection.message.startswith("byte ")


@pytest.mark.parametrize("lone", LONE)
@pytest.mark.parametrize(
    "payload",
    [
        '{"id":%s}',
        '{"id":"a","unknown":%s}',
        '{"id":"a","unknown":{"x":[%s]}}',
        '{"id":"a",%s:1}',
        '{"id":"a","job_status":{"source_value":%s}}',
        '{"id":%s,"id":"a"}',
        '{"event":"ats_jobs.updated","raw_event":%s,"data":[{"id":"a"}]}',
        "[[%s]]",
        "%s",
    ],
)
def test_a_lone_surrogate_is_found_anywhere(payload: str, lone: str) -> None:
    assert rejection_of(payload % lone).code == "LONE_SURROGATE"


def test_a_lone_surrogate_in_invalid_json_is_invalid_json() -> None:
    assert rejection_of(r'{"id":"\ud800').code == "INVALID_JSON"
    assert rejection_of(r'{"id":"\ud800"').code == "INVALID_JSON"


def test_whole_surrogate_pairs_are_characters() -> None:
    assert _ids(events_in(r'{"id":"\ud83d\ude00","remote_id":"\\ud800"}')) == [("😀", "\\ud800")]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"id":"\xff"}', "INVALID_UTF8"),
        (rb'{"id":"\ud800"}', "LONE_SURROGATE"),
        (b'{"id":"a","x":' + b"[" * 500 + b"]" * 500 + b"}", "TOO_DEEP"),
        (b'{"id":["a"]}', "WRONG_TYPE"),
        (b'{"x":1}', "NOT_AN_EVENT"),
    ],
)
def test_only_the_bad_job_of_a_page_is_rejected(bad: bytes, code: str) -> None:
    for before, after in ((b'{"next":"\xc3\xa9","data":[', b"]}"), (b"[", b"]")):
        payload = before + b'{"id":"a"}, ' + bad + b' ,{"id":"b"}' + after
        rows = found_in(payload)
        assert [row["job_id"] for row in rows_of(rows)] == ["a", "b"]
        (rejection,) = rows.rejections
        assert (rejection.code, rejection.payload) == (code, bad)
        assert rejection.offset == payload.index(bad)


def test_each_job_of_a_page_is_rejected_for_its_own_fault() -> None:
    jobs = [
        b'{"id":"\xff"}',
        rb'{"id":"\ud800"}',
        b'{"id":' + b"[" * 300 + b"]" * 300 + b"}",
        b"[]",
    ]
    rows = found_in(b'{"data":[' + b",".join(jobs) + b"]}")
    codes = [(each.code, each.payload) for each in rows.rejections]
    expected = ["INVALID_UTF8", "LONE_SURROGATE", "TOO_DEEP", "WRONG_TYPE"]
    assert codes == list(zip(expected, jobs, strict=True))


@pytest.mark.parametrize(
    "around", [b'{"x":"\xff","data":[{"id":"a"}]}', b'{"data":[{"id":"a"}],"\xff":1}']
)
def test_a_fault_outside_the_jobs_rejects_the_page(around: bytes) -> None:
    rejection = rejection_of(around)
    assert (rejection.code, rejection.payload) == ("INVALID_UTF8", around)


# Events of other types


def test_events_of_other_types_are_ignored_and_counted() -> None:
    payload = json.dumps([{"event": "hris.x", "data": [1, 2]}, {"event": "hris.x"}, _JOB])
    rows = found_in(payload.encode())
    assert rows.ignored == {"hris.x": 2}
    assert len(rows.rows) == 1


def test_events_of_other_types_may_have_any_fields() -> None:
    rows = found_in(b'{"event":"hris.x","event_data":5,"id":[],"provider":{}}')
    assert rows.ignored == {"hris.x": 1} and not rows.rejections


def test_at_most_a_hundred_ignored_types_have_their_own_count() -> None:
    types = [f"hris.{number}" for number in range(150)] + ["y" * 257]
    rows = found_in(json.dumps([{"event": each} for each in types]).encode())
    assert len(rows.ignored) == 101
    assert rows.ignored["other"] == 51
    assert sum(rows.ignored.values()) == 151


def test_the_event_type_of_the_context_is_used() -> None:
    other = Context(event_type="hris.x")
    assert found_in(b'{"id":"a"}', context=other).ignored == {"hris.x": 1}
    assert found_in(b'{"id":1.0}', context=other).ignored == {"hris.x": 1}
    (event,) = events_in('{"id":"a","event":"ats_jobs.created"}', context=other)
    assert event["event_type"] == "ats_jobs.created"


# Types of fields


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"event": 5}, "$.event"),
        ({"id": []}, "$.id"),
        ({"id": True}, "$.id"),
        ({"remote_id": {}}, "$.remote_id"),
        ({"status": 1, "id": "a"}, "$.status"),
        ({"job_status": [], "id": "a"}, "$.job_status"),
        ({"job_status": {"value": 1}, "id": "a"}, "$.job_status.value"),
        ({**_ENVELOPE, "provider": 1}, "$.provider"),
        ({**_ENVELOPE, "account_id": []}, "$.account_id"),
        ({**_ENVELOPE, "project_id": True}, "$.project_id"),
        ({**_ENVELOPE, "record_id": {}, "data": _JOB}, "$.record_id"),
        ({**_ENVELOPE, "record_remote_id": [], "event_data": _JOB}, "$.record_remote_id"),
        ({**_ENVELOPE, "event_data": "x"}, "$.event_data"),
        ({**_ENVELOPE, "data": 1}, "$.data"),
        ({"data": True}, "$.data"),
        ({**_ENVELOPE, "event_data": {"id": []}}, "$.event_data.id"),
        ({**_ENVELOPE, "data": {"job_status": {"value": {}}}}, "$.data.job_status.value"),
    ],
)
def test_a_used_field_of_a_wrong_type_is_rejected_with_its_path(payload: Any, path: str) -> None:
    rejection = rejection_of(json.dumps(payload))
    assert (rejection.code, rejection.path) == ("WRONG_TYPE", path)
    assert rejection.payload == json.dumps(payload).encode()


@pytest.mark.parametrize("element", ["null", "1", '"x"', "[]", '[{"id":"a"}]', "true"])
def test_an_element_of_data_must_be_an_object(element: str) -> None:
    for payload in ('{"data":[%s]}', '{"event":"ats_jobs.updated","event_data":[%s]}'):
        rejection = rejection_of(payload % element)
        assert (rejection.code, rejection.path) == ("WRONG_TYPE", "$")
        assert rejection.payload == element.encode()


def test_the_path_of_a_fault_starts_at_the_element() -> None:
    rejection = rejection_of('{"data":[{"id":{}}]}')
    assert (rejection.path, rejection.payload) == ("$.id", b'{"id":{}}')


def test_unknown_fields_may_hold_anything() -> None:
    for value in ("[]", "1e999", '{"id":[]}', '"\\u0000"'):
        assert len(events_in(f'{{"id":"a","new":{value},"title":{value},"sent_at":{value}}}')) == 1


@pytest.mark.parametrize("name", ["created_at", "updated_at", "event_date"])
@pytest.mark.parametrize("value", ["5", "[]", "{}", "true", '"soon"'])
def test_a_timestamp_of_another_type_is_unreadable_but_not_an_error(name: str, value: str) -> None:
    (event,) = events_in(f'{{"id":"a","{name}":{value}}}')
    assert event["job_created_at"] is None and event["event_time"] is None


@pytest.mark.parametrize("number", [*NUMBERS, pytest.param("7" * 5000, id="5000 digits")])
@pytest.mark.parametrize("template", ['{"id":%s}', '{"event":"ats_jobs.x","data":{"id": %s }}'])
def test_an_id_that_is_a_number_becomes_its_text(number: str, template: str) -> None:
    (event,) = events_in(template % number)
    assert event["job_id"] == number


@pytest.mark.parametrize("number", ["1", "1.0", "-0", str(10**18), str(10**18 + 1)])
def test_ids_of_an_envelope_that_are_numbers_become_their_text(number: str) -> None:
    names = ("record_id", "record_remote_id", "account_id", "project_id")
    fields = ",".join(f'"{name}":{number}' for name in names)
    (event,) = events_in(f'{{"event":"ats_jobs.updated",{fields}}}')
    assert [event[name] for name in ("job_id", "remote_job_id", *names[2:])] == [number] * 4


# Duplicate keys


@pytest.mark.parametrize(
    ("payload", "job_id"),
    [
        ('{"id":"a","id":"b"}', "b"),
        ('{"id":["a"],"id":"b"}', "b"),
        ('{"id":1.5,"id":"b"}', "b"),
        ('{"id":"a","\\u0069d":"b"}', "b"),
        ('{"data":{"id":"a"},"data":{"id":"b"}}', "b"),
        ('{"event":"ats_jobs.x","event_data":{"id":"a"},"event_data":{"id":"b"}}', "b"),
        ('{"event":"ats_jobs.x","event_data":{"id":"a"},"event_data":{"title":"b"}}', None),
        ('{"event":"ats_jobs.x","event_data":{"id":"a"},"event_data":null,"id":"b"}', "b"),
        ('{"event":"hris.x","event":"ats_jobs.x","id":"b"}', "b"),
        ('{"event":5,"event":"ats_jobs.x","id":"b"}', "b"),
    ],
)
def test_the_last_of_duplicate_keys_wins(payload: str, job_id: str | None) -> None:
    (event,) = events_in(payload)
    assert event["job_id"] == job_id


def test_the_last_of_duplicate_keys_wins_also_if_its_type_is_wrong() -> None:
    assert rejection_of('{"id":"a","id":[]}').path == "$.id"


def test_the_last_of_duplicate_source_values_is_kept() -> None:
    text = '{"id":"a","job_status":{"source_value":"x","source_value": {"b":1,"b":2} }}'
    assert events_in(text)[0]["job_status"]["source_value_json"] == '{"b":1,"b":2}'


# Depth and size


def _nested(depth: int) -> bytes:
    """Returns an envelope of a nesting depth; that of the status alone is three less."""
    inner = b"[" * (depth - 3) + b"]" * (depth - 3)
    return b'{"event":"ats_jobs.x","event_data":{"job_status":{"source_value":' + inner + b"}}}"


def test_nesting_of_two_hundred_is_read_and_one_more_is_too_deep() -> None:
    assert outcomes_in(_nested(200)) == {"event": 1}
    assert outcomes_in(_nested(201)) == {"TOO_DEEP": 1}
    assert outcomes_in(b"[" * 200 + b"]" * 200) == {}
    assert outcomes_in(b"[" * 201 + b"]" * 201) == {"TOO_DEEP": 1}


def test_brackets_in_strings_do_not_count_as_nesting() -> None:
    text = json.dumps({"id": "a", "title": '[{"\\' * 500, "x": [[1]] * 300})
    assert outcomes_in(text.encode()) == {"event": 1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b'{"id":"a","job_status":{"source_value":', b"}}"),
        (b'{"x":', b"}"),
        (b'{"data":[{"id":"a"}],"x":', b"}"),
    ],
)
def test_a_hundred_thousand_brackets_are_one_payload_that_is_too_deep(
    before: bytes, after: bytes
) -> None:
    opening, closing = b"[" * 100_000, b"]" * 100_000
    assert outcomes_in(before + opening) == {"TOO_DEEP": 1}
    assert outcomes_in(before + opening + closing + after) == {"TOO_DEEP": 1}


@pytest.mark.parametrize(
    "text", [b'"', b"\\", b'\\"', b"{", b"[]", b"[[],", b"\xff", b"\xed\xa0\x80", rb"\ud800"]
)
def test_the_time_for_an_invalid_payload_is_linear(text: bytes) -> None:
    start = time.process_time()
    outcomes = outcomes_in(b'{"id":' + text * (10_000_000 // len(text)))
    assert outcomes.total() == 1 and "event" not in outcomes
    # Quadratic time would take hours.
    assert time.process_time() - start < 60


def test_only_an_element_over_the_limit_is_too_large() -> None:
    finder = event_finder(max_event_bytes=100_000)
    long = b'{"id":"a","account_id":"7","title":"%s"}' % (b"x" * 100_000)
    payload = b'{"data":[{"id":"b"},' + long + b"]}"
    context = Context(account_id="flag", provider="lever")
    rows = found_in(payload, finder=finder, context=context, offset=50)
    assert [row["job_id"] for row in rows_of(rows)] == ["b"]
    (rejection,) = rows.rejections
    assert (rejection.code, rejection.step) == ("TOO_LARGE", "ParseEvents")
    assert rejection.offset == 50 + payload.index(long)
    assert rejection.payload == long[:PAYLOAD_HEAD_BYTES]
    assert rejection.full_size == len(long)
    # The payload has its own account, which the head does not show.
    assert rejection.context == Context(provider="lever")


# Any payload


@given(st.binary(max_size=60) | broken())
@example(b'{"data":[{"id":"\xff"},{"id":"a"}],"x":"\xff"}')
def test_any_bytes_have_an_outcome_without_an_exception(payload: bytes) -> None:
    rows = found_in(payload)
    for rejection in rows.rejections:
        assert payload[rejection.offset :].startswith(rejection.payload)
    for offset, text in payloads_in(rows):
        assert payload[offset:].startswith(text)
        json.loads(text)
    rows_of(rows)
    try:
        json.loads(payload.decode())
    except ValueError:
        assert len(rows.rejections) >= 1


@given(PAYLOADS)
@example('{"data":[[],{"data":[]},{"data":null}]}')
@example('{"event":"ats_jobs.x","data":[[],{"data":[]},{"data":null}]}')
@example('{"event":"ats_jobs.x","event_data":{},"data":[]}')
def test_every_payload_has_the_outcome_of_the_reference_reader(text: str) -> None:
    assert outcomes_in(text.encode()) == expected_outcomes(text)


@given(PAYLOADS_WITH_LONE_SURROGATES)
@example(r'{"data":[{"id":"\ud800"},{"id":"a"}],"data":[{"id":"\ud800"},{"id":"a"}]}')
@example(r'{"event":"hris.x","data":[{"id":"\ud800"}]}')
@example(r'[{"data":[{"id":"\ud800"},{"id":"a"}]},{"id":"b"}]')
def test_lone_surrogates_have_the_outcome_of_the_reference_reader(text: str) -> None:
    assert outcomes_in(text.encode()) == expected_outcomes(text)


@given(broken())
def test_invalid_json_has_the_outcome_of_the_reference_reader(payload: bytes) -> None:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        assert "INVALID_UTF8" in outcomes_in(payload)
    else:
        assert outcomes_in(payload) == expected_outcomes(text)


@given(PAYLOADS)
def test_the_payload_of_an_event_can_be_parsed_again_alone(text: str) -> None:
    rows = found_in(text.encode())
    again = [
        row
        for number, (_, payload) in enumerate(payloads_in(rows))
        for row in rows_of(
            found_in(payload, context=rows.rows.contexts[rows.rows.rows().context_of[number]])
        )
    ]
    assert [row["event_id"] for row in again] == [row["event_id"] for row in rows_of(rows)]
    assert [row["job_status"] for row in again] == [row["job_status"] for row in rows_of(rows)]


_CANARIES = payloads_of(
    st.sampled_from(
        ['"canary"', "424242", '["canary"]', '{"canary":424242}', r'"canary\ud800"', '"\\x canary"']
    )
)


@given(_CANARIES.map(str.encode) | broken(_CANARIES))
def test_no_message_holds_a_value_of_the_data(payload: bytes) -> None:
    for rejection in found_in(payload).rejections:
        text = f"{rejection.message} {rejection.path} {rejection.code}"
        assert "canary" not in text and "424242" not in text
