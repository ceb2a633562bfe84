"""`validate` checks everything that a run needs, prints a line each, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.options.run_options import RunOptions
from pipeline.setup.preflight import Preflight
from tests.pipeline.command import job_status, run, visible, write_events
from tests.transforms.memory_filesystem import MemoryFileSystem

pytestmark = pytest.mark.usefixtures("no_sync")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A readable file of events."""
    return write_events(tmp_path / "events.jsonl", 0, 3)


def marks(said: str) -> dict[str, str]:
    """Returns the mark of each check."""
    return {line[2:].partition(":")[0]: line[0] for line in said.splitlines()}


def test_each_check_that_passes_is_ticked(events: Path, tmp_path: Path) -> None:
    before = visible(tmp_path)
    said = job_status("validate", "--input", events, "--output", tmp_path / "out")
    assert said.code == 0, said.err
    assert said.err == ""
    assert marks(said.out) == dict.fromkeys(
        ("mapping", "schemas", "input", "runner", "output"), "✓"
    )
    assert visible(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "failed", "code"),
    [
        (["--input", "{tmp}/none"], {"input"}, 3),
        (["--input", "{tmp}"], {"input"}, 3),
        (["--input", "{tmp}/events.jsonl", "--mapping", "{tmp}/none.yaml"], {"mapping"}, 2),
        (["--input", "nosuch://bucket/*.jsonl"], {"input"}, 2),
        (["--input_subscription", "not-a-name", "--drain"], {"input"}, 2),
        (["--input", "{tmp}/events.jsonl", "--run_id", "a b"], {"output"}, 2),
        (["--input", "{tmp}/events.jsonl", "--report", "nosuch://bucket/r.json"], {"output"}, 2),
        (["--input", "{tmp}/events.jsonl", "--runner", "NoRunner"], {"runner"}, 2),
        (
            ["--input", "{tmp}/events.jsonl", "--runner=FlinkRunner",
             "--flink_job_server_jar={tmp}/none.jar"],
            {"runner"},
            2,
        ),
        (
            ["--input", "{tmp}/events.jsonl", "--runner=PrismRunner",
             "--prism_location={tmp}/none"],
            {"runner"},
            2,
        ),
    ],
)  # fmt: skip
def test_each_check_that_fails_is_crossed_out(
    events: Path, tmp_path: Path, arguments: list[str], failed: set[str], code: int
) -> None:
    given = [each.format(tmp=tmp_path) for each in arguments]
    said = job_status("validate", *given, "--output", tmp_path / "out")
    assert said.code == code
    crossed = {name for name, mark in marks(said.out).items() if mark == "✗"}
    assert failed <= crossed
    # Checks that need the same are crossed out too, and no others.
    assert all("needs what failed above" in said.out for _ in crossed - failed)
    assert said.err.startswith("error: ")


def test_an_output_that_holds_a_run_fails_unless_append_or_the_same_run(
    events: Path, tmp_path: Path
) -> None:
    usual = ("--input", events, "--output", tmp_path / "out")
    assert run(*usual, "--run_id", "first").code == 0
    assert job_status("validate", *usual).code == 5
    assert job_status("validate", *usual, "--write_mode", "append").code == 0
    said = job_status("validate", *usual, "--run_id", "first")
    assert said.code == 0
    assert "nothing to do" in said.out


def test_an_unknown_option_is_a_usage_error_before_any_check(events: Path, tmp_path: Path) -> None:
    said = job_status("validate", "--input", events, "--output", tmp_path / "out", "--mappin", "x")
    assert (said.code, said.out) == (2, "")
    assert "did you mean --mapping?" in said.err


def test_a_run_makes_the_same_checks_before_it_touches_the_output(
    events: Path, tmp_path: Path
) -> None:
    said = run("--input", events, "--output", tmp_path / "out", "--runner=PrismRunner",
               f"--prism_location={tmp_path}/none")  # fmt: skip
    assert said.code == 2
    assert not (tmp_path / "out").exists()


def test_the_help_lists_the_options_of_run() -> None:
    said = job_status("validate", "--help").out
    assert said.startswith("usage: job-status validate ")
    assert "--mapping FILE" in said


def test_only_one_of_many_objects_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = {f"mem://bucket/in/{n}.jsonl": b"{}" for n in range(50)}
    monkeypatch.setattr(MemoryFileSystem, "objects", objects)
    opened: list[str] = []
    open_object = MemoryFileSystem.open

    def record(filesystem: MemoryFileSystem, path: str, *given: Any, **named: Any) -> Any:
        opened.append(path)
        return open_object(filesystem, path, *given, **named)

    monkeypatch.setattr(MemoryFileSystem, "open", record)
    said = job_status("validate", "--input", "mem://bucket/in/*", "--output", tmp_path / "out")
    assert said.code == 0, said.out
    assert "50 files" in said.out
    assert len(opened) == 1


def test_another_table_of_accounts_is_another_request(events: Path, tmp_path: Path) -> None:
    requests = set()
    for provider in ("lever", "ashby", "ashby"):
        table = tmp_path / "accounts.csv"
        table.write_text(f"account_id,provider\n1,{provider}\n")
        options = RunOptions(input=[str(events)], output=str(tmp_path), accounts=str(table))
        requests.add(Preflight(options, [], Console()).settings.commit.request)
    assert len(requests) == 2


def test_a_failure_is_printed_once_with_its_hint(tmp_path: Path) -> None:
    said = job_status("validate", "--input", tmp_path / "none", "--output", tmp_path / "out")
    assert said.code == 3
    assert said.out.count("no file matches --input") == 1
    assert "\n  check the path, or allow it with --allow_no_input\n" in said.out
    assert said.err == "error: 1 check failed: the run would not start\n"
