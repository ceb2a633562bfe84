"""A bad payload is one dead letter with its exact bytes, and all other payloads are written."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.outcome import GOOD, Outcome, run_over, run_over_files

pytestmark = pytest.mark.usefixtures("no_sync")


def _status(source_value: bytes) -> bytes:
    return b'{"id":"2","job_status":{"source_value":%s}}' % source_value


BAD = {
    "one byte that is not UTF-8": (_status(b'"a\xffb"'), "INVALID_UTF8"),
    "UTF-16": ('{"id":"2"}'.encode("utf-16"), "INVALID_UTF8"),
    "deep nesting": (b"[" * 100_000, "TOO_DEEP"),
    "deep nesting of objects": (b'{"a":' * 100_000, "TOO_DEEP"),
    "deep nesting in a source value": (_status(b"[" * 100_000), "TOO_DEEP"),
    "balanced deep nesting": (_status(b"[" * 100_000 + b"]" * 100_000), "TOO_DEEP"),
    "NaN": (_status(b"NaN"), "INVALID_JSON"),
    "Infinity": (_status(b"Infinity"), "INVALID_JSON"),
    "-Infinity": (_status(b"-Infinity"), "INVALID_JSON"),
    "lone surrogate in the status": (_status(rb'"\ud800"'), "LONE_SURROGATE"),
    "lone surrogate in an id": (rb'{"id":"\udc00"}', "LONE_SURROGATE"),
    "lone surrogate in an unused field": (rb'{"id":"2","title":"\ud800x"}', "LONE_SURROGATE"),
    "lone surrogate in a key": (rb'{"id":"2","\ud800":1}', "LONE_SURROGATE"),
    "id of another type": (b'{"id":["2"]}', "WRONG_TYPE"),
    "a raw NUL": (_status(b'"\x00"'), "INVALID_JSON"),
    "half an object": (b'{"id":"2",', "INVALID_JSON"),
    "text after an object": (b'{"id":"2"} and {"id":"3"}', "INVALID_JSON"),
    "a trailing comma": (b'{"id":"2",}', "INVALID_JSON"),
    "a scalar": (b"17", "NOT_AN_EVENT"),
    "another object": (b'{"a":1}', "NOT_AN_EVENT"),
}


@pytest.fixture(scope="module")
def bad(no_sync: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """The outcome of each bad payload between two good ones."""
    contents = {case: b"\n".join([GOOD, payload, GOOD]) for case, (payload, _) in BAD.items()}
    return run_over_files(tmp_path_factory.mktemp("bad"), contents)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_payload_is_one_dead_letter_and_loses_no_other_payload(
    bad: dict[str, Outcome], case: str
) -> None:
    payload, code = BAD[case]
    found = bad[case]
    assert found.counts() == {"written": 2, code: 1}
    (letter,) = found.dead
    assert letter["payload"] == payload
    assert (letter["payload_size"], letter["payload_truncated"]) == (len(payload), False)
    assert letter["source_offset"] == len(GOOD) + 1


KEPT = {
    "1e400": (b"1e400", b"1e400"),
    "integer over 2 to the 53": (b"9007199254740993", b"9007199254740993"),
    "integer over 2 to the 63": (b"-9223372036854775809", b"-9223372036854775809"),
    "5,000 digits": (b"7" * 5_000, b"7" * 5_000),
    "escaped NUL": (rb'"\u0000"', rb'"\u0000"'),
    "pair of surrogates": (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
    "last of two keys": (b'1,"source_value":2', b"2"),
    "two keys in the kept text": (b'{"a":1,"a":2}', b'{"a":1,"a":2}'),
    "white space": (b"[ 1 ,\t2 ]", b"[ 1 ,\t2 ]"),
    "200 deep": (b"[" * 198 + b"]" * 198, b"[" * 198 + b"]" * 198),
}


@pytest.fixture(scope="module")
def kept(no_sync: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """The outcome of each text of a status."""
    contents = {case: _status(text) for case, (text, _) in KEPT.items()}
    return run_over_files(tmp_path_factory.mktemp("kept"), contents)


@pytest.mark.parametrize("case", KEPT)
def test_the_text_of_a_status_is_kept_exactly(kept: dict[str, Outcome], case: str) -> None:
    (record,) = kept[case].written
    assert record["job_status"]["source_value_json"] == KEPT[case][1].decode()
    assert record["job_status"]["value"] in ("unmapped_value", None)


def test_the_last_of_duplicate_ids_wins(tmp_path: Path) -> None:
    found = run_over(tmp_path, b'{"id":"1","id":"2","job_status":"open","job_status":"closed"}')
    (record,) = found.written
    assert (record["job_id"], record["job_status"]["value"]) == ("2", "closed")


ENVELOPE = {"event": "ats_jobs.updated", "event_data": {"id": "1", "job_status": {}}}
WRONG: dict[str, dict[str, Any]] = {
    "$.event": {"event": 5},
    "$.account_id": {"account_id": {}},
    "$.provider": {"provider": 1},
    "$.record_id": {"record_id": [1]},
    "$.event_data": {"event_data": "x"},
    "$.event_data.id": {"event_data": {"id": True}},
    "$.event_data.status": {"event_data": {"status": 7}},
    "$.event_data.job_status.value": {"event_data": {"job_status": {"value": 7}}},
    "$.event_data.job_status": {"event_data": {"job_status": []}},
}
"""Changes of the envelope by the path of the wrong field."""


@pytest.fixture(scope="module")
def wrong(no_sync: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """The outcome of each envelope with a wrong field."""
    contents = {path: json.dumps({**ENVELOPE, **change}).encode() for path, change in WRONG.items()}
    return run_over_files(tmp_path_factory.mktemp("wrong"), contents, code=4)


@pytest.mark.parametrize("path", WRONG)
def test_a_used_field_of_a_wrong_type_is_a_dead_letter_with_its_path(
    wrong: dict[str, Outcome], path: str
) -> None:
    found = wrong[path]
    assert [(each["error_code"], each["error_path"]) for each in found.dead] == [
        ("WRONG_TYPE", path)
    ]
    assert found.written == []


def test_new_fields_are_ignored_missing_fields_are_null_and_bad_times_are_counted(
    tmp_path: Path,
) -> None:
    report = tmp_path / "report.json"
    payload = {"id": "1", "new": {"x": 1}, "created_at": "soon", "updated_at": 5}
    found = run_over(tmp_path, json.dumps(payload).encode(), "--report", str(report))
    (record,) = found.written
    assert record["job_created_at"] is record["job_updated_at"] is record["provider"] is None
    assert json.loads(report.read_bytes())["unreadable_timestamps"] == 2


def test_a_bad_job_of_a_page_loses_that_job_only(tmp_path: Path) -> None:
    page = b'{"data":[%s,{"id":"\xff"},%s,5,{"id":{}}]}' % (GOOD, GOOD)
    found = run_over(tmp_path, page)
    assert found.counts() == {"written": 2, "INVALID_UTF8": 1, "WRONG_TYPE": 2}
    for letter in found.dead:
        assert page[letter["source_offset"] :].startswith(letter["payload"])


def test_objects_that_follow_one_another_are_all_read(tmp_path: Path) -> None:
    jobs = [{"id": str(number), "title": "} {", "job_status": "open"} for number in range(4)]
    pretty = [json.dumps(job, indent=2) for job in jobs]
    plain = [json.dumps(job) for job in jobs]
    contents = {
        "pretty": "\n".join(pretty),
        "pretty without line ends": "".join(pretty),
        "one line": "".join(plain),
        "one line with spaces": " \t".join(plain),
        "pairs": "\n".join([plain[0] + plain[1], plain[2] + plain[3]]),
        "one of them bad": pretty[0]
        + "\n"
        + "{\n  no\n}"
        + "\n"
        + pretty[1]
        + pretty[2]
        + pretty[3],
        "the last one truncated": "".join([*plain, '{"id":']),
    }
    found = run_over_files(tmp_path, {name: text.encode() for name, text in contents.items()})
    for name, outcome in found.items():
        assert sorted(each["job_id"] for each in outcome.written) == ["0", "1", "2", "3"], name
    assert [letter["payload"] for letter in found["one of them bad"].dead] == [b"{\n  no\n}"]
    assert [letter["payload"] for letter in found["the last one truncated"].dead] == [b'{"id":']
    for name in contents.keys() - {"one of them bad", "the last one truncated"}:
        assert not found[name].dead


def test_no_value_becomes_part_of_a_path(tmp_path: Path) -> None:
    evil = "../../evil/\u0000*"
    payload = {**ENVELOPE, "provider": evil, "account_id": evil, "event_data": {"id": evil}}
    before = {path.name for path in tmp_path.parent.iterdir()}
    found = run_over(tmp_path, json.dumps(payload).encode() + b"\n" + evil.encode())
    assert found.counts() == {"written": 1, "INVALID_JSON": 1}
    assert found.written[0]["job_id"] == evil
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    assert {path.name for path in tmp_path.parent.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out"}


def test_the_same_event_twice_has_one_identity(tmp_path: Path) -> None:
    first = json.dumps({**ENVELOPE, "sent_at": "2025-05-01T10:00:00Z"}).encode()
    second = json.dumps({**ENVELOPE, "sent_at": "2025-05-01T11:00:00Z"}).encode()
    found = run_over(tmp_path, b"\n".join([first, second, GOOD]))
    assert sorted(Counter(each["event_id"] for each in found.written).values()) == [1, 2]


def test_events_of_any_time_in_any_order_are_written(tmp_path: Path) -> None:
    days = ["2025-05-09", "2025-05-01", "1999-01-01", "2025-05-03", "9999-12-31", "0001-01-02"]
    lines = [json.dumps({**ENVELOPE, "event_date": f"{day}T00:00:00Z"}) for day in days]
    found = run_over(tmp_path, "\n".join(lines).encode())
    assert len(found.written) == len(days)


def test_events_of_other_types_are_counted_by_type(tmp_path: Path) -> None:
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
def test_too_many_dead_letters_are_committed_and_reported(
    tmp_path: Path, share: str, code: int
) -> None:
    content = b"\n".join([GOOD, GOOD, GOOD, b"bad"])
    found = run_over(tmp_path, content, "--max_dead_letter_fraction", share, code=code)
    assert found.counts() == {"written": 3, "INVALID_JSON": 1}
    assert ("--max_dead_letter_fraction" in found.said.err) == (code == 4)
