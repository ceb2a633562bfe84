"""`--accounts` names the providers of a feed of many accounts, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.manifest import Manifest
from tests.conftest import ReadRecords, Records
from tests.pipeline.command import assert_clear_error, job_status, run

pytestmark = pytest.mark.usefixtures("no_sync")


def _event(account_id: str | int | None, source_value: Any, **fields: Any) -> str:
    job = {"id": "1", "job_status": {"source_value": source_value}}
    envelope = {"event": "ats_jobs.updated", "account_id": account_id, **fields}
    return json.dumps({**envelope, "event_data": job})


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Events of three accounts whose providers mean different things by a status."""
    path = tmp_path / "feed.jsonl"
    events = [
        _event("100", True),
        _event(200, "closed"),
        _event("300", "closed"),
        _event("100", True, provider="workable"),
        _event(None, "closed"),
    ]
    path.write_text("\n".join(events))
    return path


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    """The providers of two of the accounts, as the API answers them."""
    path = tmp_path / "accounts.json"
    providers = {"100": "greenhouse", "200": "workable"}
    rows = [{"id": id, "provider": name, "status": "active"} for id, name in providers.items()]
    path.write_text(json.dumps({"next": None, "data": rows}, indent=2))
    return path


def _by_account(records: Records) -> list[tuple[str | None, str | None, str | None]]:
    return [(each["account_id"], each["provider"], each["job_status"]["value"]) for each in records]


def test_an_event_that_names_no_provider_has_that_of_its_account(
    feed: Path, accounts: Path, tmp_path: Path, read_records: ReadRecords
) -> None:
    arguments = ("--input", feed, "--output", tmp_path / "out", "--accounts", accounts)
    assert run(*arguments, "--provider", "lever").code == 0
    assert _by_account(read_records(tmp_path / "out")) == [
        ("100", "greenhouse", "published"),
        ("200", "workable", "internal"),
        ("300", "lever", "closed"),
        ("100", "workable", "unmapped_value"),
        (None, "lever", "closed"),
    ]


def test_the_identity_of_an_event_does_not_depend_on_the_accounts(
    feed: Path, accounts: Path, tmp_path: Path, read_records: ReadRecords
) -> None:
    run("--input", feed, "--output", tmp_path / "with", "--accounts", accounts)
    run("--input", feed, "--output", tmp_path / "without")
    ids = [
        [each["event_id"] for each in read_records(tmp_path / name)] for name in ("with", "without")
    ]
    assert ids[0] == ids[1]


def test_a_replay_uses_the_accounts(
    feed: Path, accounts: Path, tmp_path: Path, read_records: ReadRecords
) -> None:
    out = tmp_path / "out"
    long = _event("100", True, note="x" * 500)
    feed.write_text(long)
    arguments = ("--output", out, "--accounts", accounts)
    run("--input", feed, *arguments, "--provider", "lever", "--max_event_bytes", "400")
    assert read_records(out) == []
    assert job_status("replay", out, *arguments).code == 0
    assert _by_account(read_records(out)) == [("100", "greenhouse", "published")]


def test_what_has_no_provider_or_no_table_is_reported(feed: Path, tmp_path: Path) -> None:
    table = tmp_path / "accounts.csv"
    table.write_text("account_id,provider\n100,greenhouze\n")
    report = tmp_path / "report.json"
    arguments = ("--input", feed, "--output", tmp_path / "out", "--accounts", table)
    done = run(*arguments, "--report", report)
    manifest = Manifest.from_json(report.read_bytes())
    assert manifest.accounts_without_provider == {"200": 1, "300": 1, "null": 1}
    assert manifest.providers_without_table == {"greenhouze": 1}
    assert len(manifest.accounts_fingerprint) == 16
    steps = " ".join(done.err.partition("what to do next")[2].split())
    assert "2 events with an account, but without a provider: add --accounts" in steps
    assert "1 provider without a table" in steps
    assert "greenhouze" not in done.err


def test_a_mistake_in_the_accounts_stops_the_run_before_it_starts(
    feed: Path, tmp_path: Path
) -> None:
    table = tmp_path / "accounts.csv"
    table.write_text("account_id,provider\n100,lever\n200\n")
    arguments = ("--input", feed, "--output", tmp_path / "out", "--accounts", table)
    assert_clear_error(run(*arguments), 2, "accounts.csv:3: an account without provider")
    assert not (tmp_path / "out").exists()
    said = job_status("validate", *arguments)
    assert said.code == 2
    assert "✗ accounts: --accounts" in said.out
    assert_clear_error(run(*arguments[:-1], tmp_path / "none"), 2, "the accounts", "none")


def test_validate_counts_the_accounts(feed: Path, accounts: Path, tmp_path: Path) -> None:
    said = job_status(
        "validate", "--input", feed, "--output", tmp_path / "out", "--accounts", accounts
    )
    assert said.code == 0
    assert f"✓ accounts: {accounts}, 2 accounts, fingerprint " in said.out


def test_an_event_with_ids_only_has_no_status(tmp_path: Path, read_records: ReadRecords) -> None:
    event = {
        "event": "ats_jobs.updated",
        "event_date": "2025-05-01T10:00:00.000Z",
        "account_id": "100",
        "record_type": "ats_jobs",
        "record_id": 17,
        "record_remote_id": "r17",
    }
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(event))
    assert run("--input", path, "--output", tmp_path / "out").code == 0
    (record,) = read_records(tmp_path / "out")
    assert (record["job_id"], record["remote_job_id"]) == ("17", "r17")
    assert record["job_status"]["value"] is None
    assert record["job_status"]["derivation"] == "absent"
