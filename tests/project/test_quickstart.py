"""Runs the steps of docs/quickstart.md in their order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import records_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text("utf-8")


def test_all_steps_succeed(tmp_path: Path) -> None:
    first, *steps = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert first.startswith("git clone ") and "./run_local.sh" in first
    script = "".join(steps)
    command = Path(sys.executable).with_name("job-status")
    script = script.replace("./run_local.sh", str(command))
    script = script.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["sh", "-eux", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    records = records_of(tmp_path / "out")
    values = {(record["job_id"], record["job_status"]["value"]) for record in records}
    assert values == {("1", "published"), ("2", "on_hold"), ("4", "published")}
    letters = records_of(tmp_path / "out", "dead_letter")
    invalid = [each for each in letters if each["error_code"] == "INVALID_JSON"]
    assert sorted(each["attempt"] for each in invalid) == [0, 1]
    assert all(f"at byte {each['source_offset']}" in PAGE for each in invalid)
    assert [each["error_code"] for each in letters if each not in invalid] == ["TOO_LARGE"]
    assert "exit code 4" in done.stdout and "exit code is 4" in PAGE
    _, _, replayed = done.stdout.partition("exit code 4")
    assert replayed.startswith("\n1  INVALID_JSON: ")
    assert "2 dead letters replayed before, not counted above" in replayed
    assert (tmp_path / "report.html").stat().st_size > 1000
