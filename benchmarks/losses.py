"""Runs each contender on small delicate inputs, and reports what it loses of them.

`python -m benchmarks.losses [--contenders f,g,h,i,d]`
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.compare import ROOT, contenders_of, elsewhere
from benchmarks.contenders import CONTENDERS, Contender, is_installed
from benchmarks.content import records_of
from pipeline.sample.write import write_samples

_KILLED_EVENTS = 100_000
_KILLED_BYTES = 1 << 20
"""The size of a file at which its program is killed."""

_POLL_SECONDS = 0.002
_SUFFIXES = (".avro", ".parquet")


@dataclass(slots=True)
class Outcome:
    """The output of a contender.

    Attributes:
        is_done: Whether it ended without an error.
        records: Its records.
        others: The records of its other files.
        unreadable: Its files of records that cannot be read to their end.
        files: Its files of records.
    """

    is_done: bool
    records: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """A delicate line between two ordinary ones, and a function that names its outcome."""

    title: str
    line: bytes
    describe: Callable[[Outcome], str]


def event(job_id: str, status: str) -> bytes:
    """Returns a line with this JSON text as the status of the job."""
    return (
        '{"event":"ats_jobs.updated","event_date":"2025-05-01T00:00:00Z","provider":"lever",'
        f'"event_data":{{"id":"{job_id}","job_status":{status}}}}}\n'
    ).encode()


def bad_line(outcome: Outcome) -> str:
    """Names the outcome of a line that is not an event."""
    if not outcome.is_done:
        return f"the run fails, {_rows(outcome)}"
    if any(record["job_id"] is None for record in outcome.records):
        return "a record of nulls"
    if any(b"delicate" in bytes(repr(record), "utf-8") for record in outcome.others):
        return "kept apart"
    return "dropped" if len(outcome.records) == 2 else "changed"


def status_field(name: str) -> Callable[[Outcome], str]:
    """Returns a function that describes a field of the job's status."""
    return lambda outcome: _field(outcome, "job_status", name)


def _field(outcome: Outcome, *names: str) -> str:
    found: Any = [each for each in outcome.records if each["job_id"] == "delicate"]
    if not outcome.is_done or not found:
        return "the run fails"
    value = found[0]
    for name in names:
        value = value[name]
    return f"`{value}`"


_CASES = (
    Case("broken JSON", event("delicate", '"Open"')[:-3] + b"\n", bad_line),
    Case("invalid UTF-8", event("delicate", '"Open\\"').replace(b'n\\"', b'n\xff"'), bad_line),
    Case("`1.50`", event("delicate", '{"source_value": 1.50}'), status_field("source_value_json")),
    Case("`true`, not in an object", event("delicate", "true"), status_field("source_value_type")),
    Case('`"true"`', event("delicate", '"true"'), status_field("source_value_type")),
    Case(
        "`status` twice: 1, 2",
        event("delicate", 'null,"status":"1","status":"2"'),
        lambda outcome: _field(outcome, "legacy_status"),
    ),
)


def try_case(contender: Contender, case: Case) -> str:
    """Runs a contender on one case."""
    with tempfile.TemporaryDirectory(prefix="job-status-losses-") as work:
        source = Path(work, "events.jsonl")
        source.write_bytes(event("1", '"Open"') + case.line + event("2", '"Closed"'))
        process = _start(contender, source, Path(work, "out"))
        return case.describe(_outcome(contender, Path(work, "out"), process.wait() == 0))


def killed(contender: Contender) -> str:
    """Kills a contender when a file under its final name has a size, and describes the file."""
    with tempfile.TemporaryDirectory(prefix="job-status-losses-") as work:
        elsewhere(
            write_samples, work, events=_KILLED_EVENTS, seed=1, bad_fraction=0.0, shapes="lines"
        )
        out = Path(work, "out")
        process = _start(contender, Path(work, "events.jsonl"), out)
        while process.poll() is None and not any(
            path.stat().st_size > _KILLED_BYTES for path in _files(out / contender.results)
        ):
            time.sleep(_POLL_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        outcome = _outcome(contender, out, is_done=False)
    is_whole = not outcome.unreadable and len(outcome.records) == _KILLED_EVENTS
    return "a whole file" if is_whole else f"a part, {_rows(outcome)}"


def _start(contender: Contender, source: Path, out: Path) -> subprocess.Popen[bytes]:
    out.mkdir()
    return subprocess.Popen(
        contender.command(str(source), str(out)),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _files(directory: Path) -> list[Path]:
    return [path for suffix in _SUFFIXES for path in directory.glob(f"*{suffix}")]


def _outcome(contender: Contender, out: Path, is_done: bool) -> Outcome:
    results = _files(out / contender.results)
    outcome = Outcome(is_done, files=results)
    for path in results:
        try:
            outcome.records.extend(records_of([path]))
        except Exception:  # each library has errors of its own
            outcome.unreadable.append(path)
    others = [path for path in out.rglob("*") if path.suffix in _SUFFIXES and path not in results]
    outcome.others = list(records_of(others)) if is_done else []
    return outcome


def _rows(outcome: Outcome) -> str:
    if outcome.unreadable and not outcome.records:
        return "an unreadable file"
    return f"{len(outcome.records):,} readable records" if outcome.files else "no file"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table: a row for each contender, a column for each case."""
    installed = ",".join(each.letter for each in CONTENDERS if is_installed(each))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.losses",
        description="Runs each contender on delicate inputs, and reports what it loses.",
    )
    parser.add_argument("--contenders", type=contenders_of, default=installed, metavar="LETTERS")
    options = parser.parse_args(arguments)
    titles = ["", *(case.title for case in _CASES), "killed while it writes"]
    print("| " + " | ".join(titles) + " |\n" + "| --- " * len(titles) + "|")
    for contender in options.contenders:
        cells = [try_case(contender, case) for case in _CASES]
        print("| " + " | ".join([contender.title, *cells, killed(contender)]) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
