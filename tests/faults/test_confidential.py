"""No value of the data is said by a command: only files hold it, and a terminal may show it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import records_of

CANARY = "canary7319"

_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def _events() -> list[str]:
    job = {"id": CANARY, "title": CANARY, "job_status": {"source_value": CANARY}}
    status = {"job_status": {"source_value": {"label": CANARY, CANARY: [CANARY]}}}
    envelope = {"event": "ats_jobs.updated", "provider": CANARY, "account_id": CANARY}
    return [
        json.dumps(job),
        json.dumps({**envelope, "event_date": CANARY, "event_data": {**job, **status}}),
        json.dumps({"event": CANARY, "event_data": job}),
        json.dumps({"event": f"ats_jobs.{CANARY}", "event_data": job}),
        json.dumps({**job, "job_status": CANARY, "status": CANARY}),
        json.dumps({"id": [CANARY], "title": CANARY}),
        json.dumps({CANARY: CANARY}),
        json.dumps({"data": [job, CANARY, {"id": {CANARY: 1}}], "next": CANARY}),
        json.dumps(CANARY),
        CANARY,
        f'{{"id":"{CANARY}",',
        f'{{"id":"{CANARY}","{CANARY}":\\ud800}}',
        f'{{"id":"{CANARY}\\ud800"}}',
        f'{{"title":"{CANARY}","job_status":{"[" * 300}}}',
        f'{{"id":"{CANARY}","title":"{"x" * 2000}"}}',
    ]


def _say(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = "import sys; from pipeline.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", command, *map(str, arguments)],
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=200,
    )


@pytest.mark.parametrize("engine", [(), _WORKERS], ids=["one process", "two workers"])
def test_no_value_of_the_data_is_said(tmp_path: Path, engine: tuple[str, ...]) -> None:
    lines = [line.encode() for line in _events()]
    lines += [b'{"id":"%s\xff"}' % CANARY.encode()]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    output = tmp_path / "out"
    report = tmp_path / "report.json"
    options = (*engine, "--debug")  # which says all that is said without it, and more
    said = [
        _say("run", "--input", path, "--output", output, "--max_event_bytes", "1000", "--report",
             report, *options),
        _say("replay", output, "--output", output, *options),
        _say("dead-letters", output),
        _say("dead-letters", output, "--json"),
    ]  # fmt: skip
    for each in said:
        assert each.returncode == 0, each.stderr
        assert CANARY.encode() not in each.stdout + each.stderr
    # It was there to be said.
    assert CANARY in report.read_text()
    assert len(records_of(output)) >= 5
    assert len({each["error_code"] for each in records_of(output, "dead_letter")}) >= 6


def test_no_value_is_said_where_a_run_fails(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes("\n".join(_events()).encode())
    said = _say("run", "--input", path, "--output", tmp_path / "out")
    assert said.returncode == 3
    assert CANARY.encode() not in said.stdout + said.stderr
