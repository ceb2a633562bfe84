"""Runs the command in this process and captures its output."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cli import main

_PROGRESS = re.compile(r"starting|[0-9,]+ (of [0-9,]+ MB|messages, [^·]* acknowledged[^·]*) · .*")


@dataclass(frozen=True)
class Said:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


def job_status(*arguments: str | Path) -> Said:
    """Runs `job-status` with the arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(each) for each in arguments])
    return Said(code, out.getvalue(), err.getvalue())


def run(*arguments: str | Path) -> Said:
    """Runs `job-status run` with the arguments."""
    return job_status("run", *arguments)


def assert_clear_error(said: Said, code: int, *parts: str) -> None:
    """Asserts an error message of at most three lines with these parts, and no other output."""
    assert said.code == code, said.err
    assert said.out == ""
    lines = without_progress(said.err)
    assert lines[0].startswith("error: ")
    assert len(lines) <= 3, said.err
    assert "Traceback" not in said.err
    assert "unexpected" not in said.err.replace("unexpected argument", "")
    for part in parts:
        assert part in said.err, said.err


def without_progress(messages: str) -> list[str]:
    """Returns the lines of stderr without progress, which a run prints on a busy machine only."""
    return [line for line in messages.splitlines() if not _PROGRESS.fullmatch(line)]


def as_counter(records: list[dict[str, Any]]) -> Counter[str]:
    """Returns how often each record occurs."""
    return Counter(json.dumps(each, sort_keys=True, default=repr) for each in records)


def visible(output: Path) -> list[str]:
    """Returns the paths of all files in an output."""
    return sorted(str(path.relative_to(output)) for path in output.rglob("*") if not path.is_dir())


def write_events(path: Path, first: int, count: int, bad: int = 0) -> Path:
    """Writes a small file of envelopes with ascending job ids, followed by bad lines."""
    lines = [
        json.dumps(
            {
                "event": "ats_jobs.updated",
                "provider": "lever",
                "event_date": "2025-05-01T10:00:00.123456Z",
                "event_data": {"id": str(number), "job_status": {"source_value": "published"}},
            }
        )
        for number in range(first, first + count)
    ]
    lines += [f"bad {number}" for number in range(bad)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))
    return path
