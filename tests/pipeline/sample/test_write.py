"""Samples match their counts, and the same seed writes the same content."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.sample.providers import sample_data
from pipeline.sample.write import SampleCounts, SampleFile, Shapes, write_samples
from schemas.errors import OutputError, UsageError

_JOB = {"id", "remote_id", "status", "job_status", "created_at", "updated_at", "title"}
_ENVELOPE = {"event", "event_date", "sent_at", "provider", "account_id", "record_id"}


def _sample(
    path: Path,
    *,
    events: int = 420,
    seed: int = 1,
    bad_fraction: float = 0.05,
    shapes: Shapes = "all",
) -> SampleCounts:
    return write_samples(
        str(path), events=events, seed=seed, bad_fraction=bad_fraction, shapes=shapes
    )


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _contents(path: Path) -> dict[str, bytes]:
    return {file.name: _content(file) for file in sorted(path.iterdir())}


# An independent reader, plain and slow. Its results are compared with the counts.

Outcome = tuple[str, str | None, Any]
"""`written`, `ignored` or an error code; the provider; the job or the type of the event."""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _depth(data: Any) -> int:
    if not isinstance(data, (dict, list)):
        return 0
    return 1 + max(map(_depth, data.values() if isinstance(data, dict) else data), default=0)


def _is_id(data: Any) -> bool:
    return data is None or (isinstance(data, (str, int)) and not isinstance(data, bool))


def _is_posting(job: dict[str, Any]) -> bool:
    return "job_status" not in job and isinstance(job.get("status"), dict)


def _is_sound(job: Any) -> bool:
    if not isinstance(job, dict):
        return False
    if _is_posting(job):
        job = {**job, "status": None, "job_status": job["status"]}
    status = job.get("job_status")
    return (
        _is_id(job.get("id"))
        and _is_id(job.get("remote_id"))
        and isinstance(job.get("status"), (str, type(None)))
        and (not isinstance(status, dict) or isinstance(status.get("value"), (str, type(None))))
    )


def _jobs(data: Any, provider: str | None) -> Iterator[Outcome]:
    for job in data if isinstance(data, list) else [data]:
        yield "written" if _is_sound(job) else "WRONG_TYPE", provider, job


def _events(data: Any) -> Iterator[Outcome]:
    if not isinstance(data, dict) or not data.keys() & (_JOB | _ENVELOPE | {"data", "next"}):
        yield "NOT_AN_EVENT", None, data
    elif "event" in data:
        if fnmatch(data["event"], "ats_jobs.*"):
            job = data.get("event_data") or data.get("data")
            yield from _jobs(job, data.get("provider"))
        else:
            yield "ignored", data.get("provider"), data["event"]
    else:
        yield from _jobs(data.get("data", data), None)


def _payload(payload: bytes) -> Iterator[Outcome]:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        yield "INVALID_UTF8", None, payload
        return
    try:
        data = json.loads(text, parse_constant=_refuse)
    except ValueError:
        yield "INVALID_JSON", None, text
        return
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        yield "LONE_SURROGATE", None, data
        return
    if _depth(data) > 200:
        yield "TOO_DEEP", None, data
        return
    for element in data if isinstance(data, list) else [data]:
        yield from _events(element)


def _outcomes(path: Path, file: SampleFile) -> list[Outcome]:
    content = _content(path / file.name)
    payloads = [content] if file.name.endswith(".json") else content.split(b"\n")
    return [outcome for payload in payloads if payload for outcome in _payload(payload)]


def _all_outcomes(path: Path, counts: SampleCounts) -> list[Outcome]:
    return [outcome for file in counts.files for outcome in _outcomes(path, file)]


def _source_value_type(job: dict[str, Any]) -> str:
    pair = job.get("job_status")
    if isinstance(pair, dict):
        if "source_value" not in pair and "sourceValue" not in pair:
            return "missing"
        pair = pair.get("source_value", pair.get("sourceValue"))
    elif pair is None:
        return "missing"
    if isinstance(pair, bool):
        return "boolean"
    types = {str: "string", int: "number", float: "number", dict: "object", list: "array"}
    return "null" if pair is None else types[type(pair)]


@pytest.mark.parametrize("shapes", ["all", "lines"])
@pytest.mark.parametrize("events", [0, 1, 7, 420, 1003])
@pytest.mark.parametrize("bad_fraction", [0.0, 0.05, 0.5, 1.0])
def test_the_content_of_each_file_matches_its_counts(
    tmp_path: Path, shapes: Shapes, events: int, bad_fraction: float
) -> None:
    counts = _sample(tmp_path, events=events, bad_fraction=bad_fraction, shapes=shapes)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f.name for f in counts.files)
    for file in counts.files:
        outcomes = _outcomes(tmp_path, file)
        tally = Counter(outcome for outcome, _, _ in outcomes)
        assert tally.pop("written", 0) == file.events, file.name
        assert tally.pop("ignored", 0) == file.ignored_types.total(), file.name
        assert tally == file.error_codes, file.name
        ignored = Counter(data for outcome, _, data in outcomes if outcome == "ignored")
        assert ignored == file.ignored_types, file.name
    assert counts.read == events
    assert counts.bad == round(events * bad_fraction)
    assert counts.read == counts.events + counts.bad + counts.ignored


@pytest.mark.parametrize("shapes", ["all", "lines"])
def test_the_same_seed_writes_the_same_content(tmp_path: Path, shapes: Shapes) -> None:
    first = _sample(tmp_path / "a", events=900, seed=7, shapes=shapes)
    again = _sample(tmp_path / "b", events=900, seed=7, shapes=shapes)
    other = _sample(tmp_path / "c", events=900, seed=8, shapes=shapes)

    assert first == again
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")
    for name, content in _contents(tmp_path / "c").items():
        assert content != _content(tmp_path / "a" / name), name
    assert other.read == first.read


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ("all", "cd265fd3e8297c90c5ca361670db4836f87643067159f4cd7db95132d3055763"),
        ("lines", "c041e9594d4a5a204802ad57dce42d910d2d4b5de1a3a5d48bcdd49c402546e8"),
    ],
)
def test_the_content_is_the_same_on_every_version_of_python(
    tmp_path: Path, shapes: Shapes, expected: str
) -> None:
    _sample(tmp_path, events=500, seed=20250501, shapes=shapes)

    digest = hashlib.sha256()
    for name, content in _contents(tmp_path).items():
        digest.update(name.encode() + b"\0" + content)
    assert digest.hexdigest() == expected


def test_the_header_of_a_compressed_file_has_no_time_and_no_name(tmp_path: Path) -> None:
    counts = _sample(tmp_path)

    packed = [file.name for file in counts.files if file.name.endswith(".gz")]
    assert packed
    for name in packed:
        header = (tmp_path / name).read_bytes()[:10]
        assert header[:2] == b"\x1f\x8b"
        assert header[3] == 0
        assert header[4:8] == bytes(4)


@pytest.mark.parametrize("seed", range(5))
def test_all_shapes_hold_every_kind_of_payload_type_and_error(tmp_path: Path, seed: int) -> None:
    counts = _sample(tmp_path, seed=seed)
    outcomes = _all_outcomes(tmp_path, counts)
    written = [(provider, job) for outcome, provider, job in outcomes if outcome == "written"]

    assert {file.kind for file in counts.files} == {
        "envelopes", "jobs", "pages", "single_jobs", "arrays", "page", "array", "postings",
    }  # fmt: skip
    names = {name: p for p in sample_data().providers for name in p.names}
    assert len({names[provider].names[0] for provider, _ in written if provider}) >= 25
    assert {_source_value_type(job) for _, job in written if job} == {
        "missing", "null", "boolean", "number", "string", "array", "object",
    }  # fmt: skip
    assert {outcome for outcome, _, _ in outcomes} == {
        "written", "ignored", "INVALID_UTF8", "INVALID_JSON", "NOT_AN_EVENT", "WRONG_TYPE",
        "TOO_DEEP", "LONE_SURROGATE",
    }  # fmt: skip
    assert any(_is_posting(job) for _, job in written)
    jobs = [job for _, job in written]
    assert any(set(job) == {"id", "remote_id"} for job in jobs)
    assert any(isinstance(job["id"], int) for job in jobs)
    assert any("job_status" not in job and job.get("status") for job in jobs)
    assert any("hiring_team" in job for job in jobs)
    assert any(not isinstance(job.get("updated_at", ""), str) for job in jobs)


def test_every_page_names_the_next_one_until_an_empty_last_page(tmp_path: Path) -> None:
    _sample(tmp_path, bad_fraction=0.0)

    lines = _content(tmp_path / "pages.jsonl").splitlines()
    pages = [json.loads(line) for line in lines]
    assert all(page["next"] for page in pages[:-1])
    assert all(page["data"] for page in pages[:-1])
    assert (pages[-1]["next"], pages[-1]["data"]) == (None, [])


@pytest.mark.parametrize("name", ["page.json", "array.json"])
def test_a_document_is_indented_over_many_lines(tmp_path: Path, name: str) -> None:
    _sample(tmp_path)

    content = _content(tmp_path / name)
    assert content.count(b"\n") > 50
    json.loads(content)


def test_arrays_mix_envelopes_jobs_pages_and_single_jobs(tmp_path: Path) -> None:
    _sample(tmp_path, bad_fraction=0.0)

    lines = _content(tmp_path / "arrays.jsonl").splitlines()
    shapes = Counter(
        "envelope" if "event" in element
        else "job" if "data" not in element
        else "page" if "next" in element else "single"
        for line in lines for element in json.loads(line)
    )  # fmt: skip
    assert set(shapes) == {"envelope", "job", "page", "single"}


@pytest.mark.parametrize("shapes", ["all", "lines"])
def test_some_events_are_duplicate_late_or_out_of_order(tmp_path: Path, shapes: Shapes) -> None:
    _sample(tmp_path, events=2000, bad_fraction=0.0, shapes=shapes)

    name = "webhooks.jsonl" if shapes == "all" else "events.jsonl"
    lines = _content(tmp_path / name).splitlines()
    events = [json.loads(line) for line in lines]
    assert len(set(lines)) < len(lines)
    unsent = [{k: v for k, v in event.items() if k != "sent_at"} for event in events]
    assert len(set(map(json.dumps, unsent))) < len(set(lines))
    dates = [event["event_date"] for event in events if "sent_at" in event]
    assert dates != sorted(dates)
    assert min(dates) < "2025-04-30"


def test_lines_are_webhooks_with_one_job_each(tmp_path: Path) -> None:
    _sample(tmp_path, events=20_000, bad_fraction=0.0, shapes="lines")

    content = _content(tmp_path / "events.jsonl")
    events = [json.loads(line) for line in content.splitlines()]
    assert 380 <= len(content) / len(events) <= 480
    assert {event["event"] for event in events} == {
        "ats_jobs.created", "ats_jobs.updated", "ats_jobs.deleted",
    }  # fmt: skip
    assert all(isinstance(event["event_data"], dict) for event in events)
    assert {event["provider"] for event in events} >= {
        provider.names[0] for provider in sample_data().providers
    }
    duplicates = len(events) - len({(e["event_date"], e["record_id"]) for e in events})
    assert 0.006 <= duplicates / len(events) <= 0.014
    assert not content.isascii()


def test_every_email_address_is_at_example_com(tmp_path: Path) -> None:
    _sample(tmp_path, events=1000)

    text = b"\n".join(_contents(tmp_path).values())
    assert text.count(b"@") == text.count(b"@example.com") > 0


@pytest.mark.parametrize("shapes", ["all", "lines"])
def test_a_directory_that_cannot_be_created_is_an_output_error(
    tmp_path: Path, shapes: Shapes
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputError, match="Cannot write samples"):
        _sample(tmp_path / "file" / "below", shapes=shapes)


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()

    with pytest.raises(OutputError):
        _sample(tmp_path, shapes="lines")
    assert list(tmp_path.iterdir()) == [tmp_path / "events.jsonl"]


@pytest.mark.parametrize(("events", "bad_fraction"), [(-1, 0.0), (1, -0.1), (1, 1.1)])
def test_a_number_out_of_range_is_a_usage_error(
    tmp_path: Path, events: int, bad_fraction: float
) -> None:
    with pytest.raises(UsageError):
        _sample(tmp_path / "out", events=events, bad_fraction=bad_fraction)
    assert not (tmp_path / "out").exists()
