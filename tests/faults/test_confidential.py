"""No command prints a value of the data: values are in files only."""

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


_COMMAND = """\
import json, sys
from pipeline.cli import main
codes = [main(arguments) for arguments in json.loads(sys.argv[1])]
with open(sys.argv[2], "w") as file:
    json.dump(codes, file)
"""


def _output_of(directory: Path, commands: list[list[str | Path]], codes: list[int]) -> bytes:
    """Runs commands in one process, expects their exit codes, and returns all output, that of the
    workers included."""
    arguments = json.dumps([list(map(str, command)) for command in commands])
    path = directory / "codes.json"
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, arguments, str(path)],
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_bytes()) == codes, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("runner", [(), _WORKERS], ids=["one process", "two workers"])
def test_no_value_of_the_data_is_printed_even_if_a_run_fails(
    tmp_path: Path, runner: tuple[str, ...]
) -> None:
    lines = [line.encode() for line in _events()]
    lines += [b'{"id":"%s\xff"}' % CANARY.encode()]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    output = tmp_path / "out"
    report = tmp_path / "report.json"
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(path.read_bytes())
    options = [*runner, "--debug"]  # prints all that is printed without it, and more
    printed = _output_of(
        tmp_path,
        [
            ["run", "--input", path, "--output", output, "--max_event_bytes", "1000", "--report",
             report, *options],
            ["replay", output, "--output", output, *options],
            ["dead-letters", output],
            ["dead-letters", output, "--json"],
            ["run", "--input", damaged, "--output", tmp_path / "failed"],
        ],
        [0, 0, 0, 0, 3],
    )  # fmt: skip
    assert CANARY.encode() not in printed
    assert b'"error_code"' in printed
    assert b"cannot be read" in printed
    # The values were there to be printed.
    assert CANARY in report.read_text()
    assert len(records_of(output)) >= 5
    assert len({each["error_code"] for each in records_of(output, "dead_letter")}) >= 6
