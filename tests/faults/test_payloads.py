"""Bad payloads: one dead letter each, with the exact bytes, and the rest is written."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.outcome import GOOD, run_over

pytestmark = pytest.mark.usefixtures("no_sync")


def _status(source_value: bytes) -> bytes:
    return b'{"id":"2","job_status":{"source_value":%s}}' % source_value


BAD = {
    "row 4: one byte that is not UTF-8": (_status(b'"a\xffb"'), "INVALID_UTF8"),
    "UTF-16": ('{"id":"2"}'.encode("utf-16"), "INVALID_UTF8"),
    "row 9: deep nesting": (b"[" * 100_000, "TOO_DEEP"),
    "row 9: deep nesting of objects": (b'{"a":' * 100_000, "TOO_DEEP"),
    "row 9: deep nesting in a source value": (_status(b"[" * 100_000), "TOO_DEEP"),
    "row 9: balanced": (_status(b"[" * 100_000 + b"]" * 100_000), "TOO_DEEP"),
    "row 10: NaN": (_status(b"NaN"), "INVALID_JSON"),
    "row 10: Infinity": (_status(b"Infinity"), "INVALID_JSON"),
    "row 10: -Infinity": (_status(b"-Infinity"), "INVALID_JSON"),
    "row 13: in the status": (_status(rb'"\ud800"'), "LONE_SURROGATE"),
    "row 13: in an id": (rb'{"id":"\udc00"}', "LONE_SURROGATE"),
    "row 13: in a field that is not used": (rb'{"id":"2","title":"\ud800x"}', "LONE_SURROGATE"),
    "row 13: in a key": (rb'{"id":"2","\ud800":1}', "LONE_SURROGATE"),
    "row 29: an id of another type": (b'{"id":["2"]}', "WRONG_TYPE"),
    "a raw NUL": (_status(b'"\x00"'), "INVALID_JSON"),
    "half an object": (b'{"id":"2",', "INVALID_JSON"),
    "two values": (b'{"id":"2"}{"id":"3"}', "INVALID_JSON"),
    "a trailing comma": (b'{"id":"2",}', "INVALID_JSON"),
    "a scalar": (b"17", "NOT_AN_EVENT"),
    "another object": (b'{"a":1}', "NOT_AN_EVENT"),
}


@pytest.mark.parametrize(("payload", "code"), BAD.values(), ids=list(BAD))
def test_a_bad_payload_is_one_dead_letter_and_costs_no_other(
    tmp_path: Path, payload: bytes, code: str
) -> None:
    found = run_over(tmp_path, b"\n".join([GOOD, payload, GOOD]))
    assert found.counts() == {"written": 2, code: 1}
    (letter,) = found.dead
    assert letter["payload"] == payload
    assert (letter["payload_size"], letter["payload_truncated"]) == (len(payload), False)
    assert letter["source_offset"] == len(GOOD) + 1


KEPT = {
    "row 10: 1e400": (b"1e400", b"1e400"),
    "row 12: over 2 ** 53": (b"9007199254740993", b"9007199254740993"),
    "row 12: over 2 ** 63": (b"-9223372036854775809", b"-9223372036854775809"),
    "row 12: 5,000 digits": (b"7" * 5_000, b"7" * 5_000),
    "row 14: NUL": (rb'"\u0000"', rb'"\u0000"'),
    "a pair of surrogates": (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
    "row 11: the last of two": (b'1,"source_value":2', b"2"),
    "row 11: in what is kept": (b'{"a":1,"a":2}', b'{"a":1,"a":2}'),
    "white space": (b"[ 1 ,\t2 ]", b"[ 1 ,\t2 ]"),
    "200 deep": (b"[" * 198 + b"]" * 198, b"[" * 198 + b"]" * 198),
}


@pytest.mark.parametrize(("text", "kept"), KEPT.values(), ids=list(KEPT))
def test_the_text_of_a_status_is_kept_exactly(tmp_path: Path, text: bytes, kept: bytes) -> None:
    found = run_over(tmp_path, _status(text))
    (record,) = found.written
    assert record["job_status"]["source_value_json"] == kept.decode()
    assert record["job_status"]["value"] in ("unmapped_value", None)


def test_row_11_the_last_of_duplicate_ids_wins(tmp_path: Path) -> None:
    found = run_over(tmp_path, b'{"id":"1","id":"2","job_status":"open","job_status":"closed"}')
    (record,) = found.written
    assert (record["job_id"], record["job_status"]["value"]) == ("2", "closed")


ENVELOPE = {"event": "ats_jobs.updated", "event_data": {"id": "1", "job_status": {}}}
WRONG = [
    ({"event": 5}, "$.event"),
    ({"account_id": {}}, "$.account_id"),
    ({"provider": 1}, "$.provider"),
    ({"record_id": [1]}, "$.record_id"),
    ({"event_data": "x"}, "$.event_data"),
    ({"event_data": {"id": True}}, "$.event_data.id"),
    ({"event_data": {"status": 7}}, "$.event_data.status"),
    ({"event_data": {"job_status": {"value": 7}}}, "$.event_data.job_status.value"),
    ({"event_data": {"job_status": []}}, "$.event_data.job_status"),
]


@pytest.mark.parametrize(("change", "path"), WRONG)
def test_row_29_a_used_field_of_a_wrong_type_is_told_with_its_path(
    tmp_path: Path, change: dict[str, Any], path: str
) -> None:
    found = run_over(tmp_path, json.dumps({**ENVELOPE, **change}).encode())
    assert [(each["error_code"], each["error_path"]) for each in found.dead] == [
        ("WRONG_TYPE", path)
    ]
    assert found.written == []


def test_row_29_new_fields_are_ignored_missing_ones_null_and_bad_times_counted(
    tmp_path: Path,
) -> None:
    report = tmp_path / "report.json"
    payload = {"id": "1", "new": {"x": 1}, "created_at": "soon", "updated_at": 5}
    found = run_over(tmp_path, json.dumps(payload).encode(), "--report", str(report))
    (record,) = found.written
    assert record["job_created_at"] is record["job_updated_at"] is record["provider"] is None
    assert json.loads(report.read_bytes())["unreadable_timestamps"] == 2


def test_one_bad_job_of_a_page_costs_that_job_only(tmp_path: Path) -> None:
    page = b'{"data":[%s,{"id":"\xff"},%s,5,{"id":{}}]}' % (GOOD, GOOD)
    found = run_over(tmp_path, page)
    assert found.counts() == {"written": 2, "INVALID_UTF8": 1, "WRONG_TYPE": 2}
    for letter in found.dead:
        assert page[letter["source_offset"] :].startswith(letter["payload"])


def test_row_22_no_value_becomes_part_of_a_path(tmp_path: Path) -> None:
    evil = "../../evil/\u0000*"
    payload = {**ENVELOPE, "provider": evil, "account_id": evil, "event_data": {"id": evil}}
    before = {path.name for path in tmp_path.parent.iterdir()}
    found = run_over(tmp_path, json.dumps(payload).encode() + b"\n" + evil.encode())
    assert found.counts() == {"written": 1, "INVALID_JSON": 1}
    assert found.written[0]["job_id"] == evil
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    assert {path.name for path in tmp_path.parent.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out"}


def test_row_24_the_same_event_twice_has_one_identity(tmp_path: Path) -> None:
    first = json.dumps({**ENVELOPE, "sent_at": "2025-05-01T10:00:00Z"}).encode()
    second = json.dumps({**ENVELOPE, "sent_at": "2025-05-01T11:00:00Z"}).encode()
    found = run_over(tmp_path, b"\n".join([first, second, GOOD]))
    assert sorted(Counter(each["event_id"] for each in found.written).values()) == [1, 2]


def test_row_25_no_time_is_too_late_or_out_of_order(tmp_path: Path) -> None:
    days = ["2025-05-09", "2025-05-01", "1999-01-01", "2025-05-03", "9999-12-31", "0001-01-02"]
    lines = [json.dumps({**ENVELOPE, "event_date": f"{day}T00:00:00Z"}) for day in days]
    found = run_over(tmp_path, "\n".join(lines).encode())
    assert len(found.written) == len(days)


def test_row_31_events_of_other_types_are_counted_by_type(tmp_path: Path) -> None:
    types = ["ats_candidates.created", "ats_candidates.created", "hris.x", "ats_jobs.created"]
    lines = [json.dumps({"event": name, "event_data": {"id": "1"}}) for name in types]
    report = tmp_path / "report.json"
    found = run_over(tmp_path, "\n".join(lines).encode(), "--report", str(report))
    assert found.counts() == {"written": 1}
    assert json.loads(report.read_bytes())["ignored_by_type"] == {
        "ats_candidates.created": 2,
        "hris.x": 1,
    }


@pytest.mark.parametrize(("share", "code"), [("0.24", 4), ("0.25", 0)])
def test_row_30_too_many_dead_letters_are_committed_and_told(
    tmp_path: Path, share: str, code: int
) -> None:
    content = b"\n".join([GOOD, GOOD, GOOD, b"bad"])
    found = run_over(tmp_path, content, "--max_dead_letter_fraction", share, code=code)
    assert found.counts() == {"written": 3, "INVALID_JSON": 1}
    assert ("--max_dead_letter_fraction" in found.said.err) == (code == 4)
