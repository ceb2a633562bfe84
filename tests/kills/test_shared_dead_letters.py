"""Two outputs with one directory of dead letters: neither loses what the other one has staged."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.inspect.inspection import inspection_of
from tests.conftest import records_of
from tests.kills.command import Job
from tests.kills.gate import Gate
from tests.pipeline.command import Said, run, visible, write_events

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in /proc"
)

SECONDS_TO_GO = 60

STEPS = {
    "the intent is written": (r"os\.rename \S+/_staging/", 1),
    "one of two files is renamed": (r"os\.rename \S+/_staging/", 2),
}
"""The steps of a commit, as an operation and its number."""


def _arguments(directory: Path, output: str, events: Path) -> list[str]:
    places = ["--output", str(directory / output), "--dead_letter_output", f"{directory}/letters"]
    return ["--input", str(events), *places, "--write_mode", "append"]


def _bad_lines(directory: Path) -> list[str]:
    return sorted(letter["payload"].decode() for letter in records_of(directory, "letters"))


def _is_whole(output: Path) -> bool:
    found = inspection_of(str(output), 0)
    return bool(found.committed) and not found.findings


@pytest.mark.parametrize("step", STEPS)
def test_a_run_does_not_undo_the_killed_commit_of_another_output(tmp_path: Path, step: str) -> None:
    first = write_events(tmp_path / "first.jsonl", 0, 3, bad=1)
    second = write_events(tmp_path / "second.jsonl", 3, 2)
    with second.open("a") as file:
        file.write("also bad\n")
    gate = Gate(str(tmp_path), *STEPS[step])
    arguments = _arguments(tmp_path, "a", first)
    job = Job(["run", *arguments], tmp_path / "killed.log", gate=gate)
    job.wait_until_held()
    job.kill_group()
    assert job.seconds_until_gone(SECONDS_TO_GO) is not None

    other = _run(tmp_path, "b", second)
    assert other.code == 0, other.err
    again = run(*arguments)
    assert again.code == 0, again.err
    assert "completed the run" in again.err
    assert len(records_of(tmp_path / "a")) == 3
    assert len(records_of(tmp_path / "b")) == 2
    assert _bad_lines(tmp_path) == ["also bad", "bad 0"]
    assert _is_whole(tmp_path / "a") and _is_whole(tmp_path / "b")
    assert not [path for path in visible(tmp_path) if "_staging" in path]


def _run(directory: Path, output: str, events: Path, *more: str) -> Said:
    return run(*_arguments(directory, output, events), *more)


def test_two_runs_of_one_id_keep_both_their_dead_letters(tmp_path: Path) -> None:
    events = write_events(tmp_path / "in.jsonl", 0, 1, bad=1)
    for output in ("a", "b"):
        said = _run(tmp_path, output, events, "--run_id", "daily")
        assert said.code == 0, said.err
    assert _bad_lines(tmp_path) == ["bad 0", "bad 0"]
    assert _is_whole(tmp_path / "a") and _is_whole(tmp_path / "b")
