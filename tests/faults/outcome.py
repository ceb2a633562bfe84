"""Runs the command over given bytes and checks the outcome of each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import Records, records_of
from tests.pipeline.command import Said, run

GOOD = b'{"id":"1","job_status":{"source_value":"open"}}'


class Outcome(NamedTuple):
    """The result of a run, or its records of one file."""

    said: Said
    output: Path
    written: Records
    dead: Records

    def counts(self) -> Counter[str]:
        """Counts the outcomes: `written`, or an error code."""
        counts = Counter(letter["error_code"] for letter in self.dead)
        counts["written"] += len(self.written)
        return +counts

    def of(self, path: Path) -> Outcome:
        """Returns the outcome with the records of one input file only."""
        written, dead = (
            [record for record in records if record["source"] == str(path)]
            for records in (self.written, self.dead)
        )
        return self._replace(written=written, dead=dead)


def run_over(
    directory: Path, content: bytes, *arguments: str, name: str = "in.jsonl", code: int = 0
) -> Outcome:
    """Runs over one file and expects an exit code."""
    path = directory / name
    path.write_bytes(content)
    return _run(directory, path, *arguments, code=code)


def run_over_files(
    directory: Path, contents: Mapping[str, bytes], *arguments: str, code: int = 0
) -> dict[str, Outcome]:
    """Runs once over a file for each case and expects an exit code.

    Args:
        directory: A directory for the input and the output.
        contents: The content of each file by its name.
        arguments: More arguments of the command.
        code: The exit code.

    Returns:
        The outcome of each file by its name.
    """
    source = directory / "in"
    source.mkdir(exist_ok=True)
    for name, content in contents.items():
        (source / name).write_bytes(content)
    found = _run(directory, source / "*", *arguments, code=code)
    by_file = {name: found.of(source / name) for name in contents}
    # No record has another source.
    assert sum(len(each.written) for each in by_file.values()) == len(found.written)
    assert sum(len(each.dead) for each in by_file.values()) == len(found.dead)
    return by_file


def _run(directory: Path, source: Path, *arguments: str, code: int) -> Outcome:
    output = directory / "out"
    said = run("--input", source, "--output", output, *arguments)
    assert said.code == code, said.err
    return Outcome(said, output, records_of(output), records_of(output, "dead_letter"))


def assert_clear(said: Said, *expected: Any) -> None:
    """Asserts a short error message: at most three lines with all that they must name, and no
    traceback."""
    assert len(said.err.splitlines()) <= 3, said.err
    assert "Traceback" not in said.err
    for each in expected:
        assert str(each) in said.err, said.err
