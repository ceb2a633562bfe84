"""Runs the command over given bytes and looks at what became of each event."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import Records, records_of
from tests.pipeline.command import Said, run

GOOD = b'{"id":"1","job_status":{"source_value":"open"}}'


class Outcome(NamedTuple):
    """What a run came to."""

    said: Said
    output: Path
    written: Records
    dead: Records

    def counts(self) -> Counter[str]:
        """How often each outcome came: `written`, or an error code."""
        counts = Counter(letter["error_code"] for letter in self.dead)
        counts["written"] += len(self.written)
        return +counts


def run_over(
    directory: Path, content: bytes, *arguments: str, name: str = "in.jsonl", code: int = 0
) -> Outcome:
    """Runs over one file and expects an exit code."""
    path = directory / name
    path.write_bytes(content)
    output = directory / "out"
    said = run("--input", path, "--output", output, *arguments)
    assert said.code == code, said.err
    return Outcome(said, output, records_of(output), records_of(output, "dead_letter"))


def assert_clear(said: Said, *told: Any) -> None:
    """An error for people: at most three lines, that name what they must, and no traceback."""
    assert len(said.err.splitlines()) <= 3, said.err
    assert "Traceback" not in said.err
    for each in told:
        assert str(each) in said.err, said.err
