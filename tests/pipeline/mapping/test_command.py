"""The option --mapping, and the subcommands of `job-status mapping` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.mapping.json_schema import json_schema
from schemas.mapping.tables import BUILT_IN_NAME
from tests.pipeline.command import assert_clear_error, job_status, run, write_events

pytestmark = pytest.mark.usefixtures("no_sync")


class Files(NamedTuple):
    """Two mapping files that disagree on `published` at lever, and events with that status."""

    a: Path
    b: Path
    events: Path
    output: Path

    @property
    def options(self) -> list[str | Path]:
        return ["--mapping", self.a, "--mapping", self.b]

    @property
    def warning(self) -> str:
        return (
            f'warning: {self.b}:3: label "Published" of lever means draft, '
            f"not internal as at {self.a}:1\n"
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text("providers: {lever: {labels: {internal: [published]}}}\n")
    b.write_text("providers:\n  Lever Hire:\n    labels: {draft: [Published]}\n")
    return Files(a, b, write_events(tmp_path / "events.jsonl", 0, 2), tmp_path / "out")


def test_the_last_file_wins_and_the_manifest_names_all(files: Files) -> None:
    said = run("--input", files.events, "--output", files.output, *files.options)
    assert said.code == 0, said.err
    assert said.err.count(files.warning) == 1
    (manifest,) = (files.output / "_manifest").iterdir()
    report = json.loads(manifest.read_text())
    assert report["by_value"] == {"draft": 2}
    assert report["mapping_files"] == [str(files.a), str(files.b)]


def test_the_order_of_the_files_decides(files: Files) -> None:
    swapped = files._replace(a=files.b, b=files.a)
    report = files.output.with_suffix(".json")
    said = run(
        "--input", files.events, "--output", files.output, *swapped.options, "--report", report
    )
    assert f"{files.a}:1: " in said.err
    assert json.loads(report.read_text())["by_value"] == {"internal": 2}


def test_validate_shows_all_files_and_what_they_override(files: Files) -> None:
    said = job_status("validate", "--input", files.events, "--output", files.output, *files.options)
    assert said.code == 0, said.err
    assert f"mapping: {files.a}, {files.b}, fingerprint " in said.out
    assert said.err == files.warning


def test_a_replay_has_all_files(files: Files) -> None:
    events = write_events(files.events, 0, 1, bad=1)
    assert run("--input", events, "--output", files.output).code == 0
    said = job_status("replay", *files.options, files.output, "--output", files.output)
    assert files.warning in said.err
    manifests = [json.loads(each.read_text()) for each in (files.output / "_manifest").iterdir()]
    assert [str(files.a), str(files.b)] in [each["mapping_files"] for each in manifests]


@pytest.mark.parametrize(
    ("subcommand", "arguments", "part"),
    [
        ("explain", ["--provider", "lever", "published"], "searched {b} for lever\n"),
        ("print", [], "draft:\n        - Published  # {b}:3"),
        ("suggest", ["{report}"], "nothing to fill in"),
        ("test", ["{cases}"], "1 passed"),
    ],
)
def test_every_subcommand_uses_all_files(
    files: Files, subcommand: str, arguments: list[str], part: str
) -> None:
    places = {**files._asdict(), "report": files.a.with_name("r"), "cases": files.a.with_name("c")}
    rows = [{"provider": "lever", "source_value": "published", "count": 1}]
    places["report"].write_text(json.dumps({"unmapped": rows}))
    places["cases"].write_text("- {provider: lever, source_value: published, value: draft}")
    words = [word.format(**places) for word in arguments]
    said = job_status("mapping", subcommand, *files.options, *words)
    assert (said.code, said.err) == (0, files.warning)
    assert part.format(**places) in said.out


def test_many_overrides_give_five_warnings_and_lint_lists_all(tmp_path: Path) -> None:
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    texts = "".join(f"    - word {number} x\n" for number in range(7))
    a.write_text(f"labels:\n  open:\n{texts}")
    b.write_text(f"labels:\n  closed:\n{texts}")
    said = job_status("mapping", "explain", "open", "--mapping", a, "--mapping", b)
    lines = said.err.splitlines()
    assert len(lines) == 6
    assert lines[-1] == "warning: 2 more: `job-status mapping lint FILE...` lists them"
    said = job_status("mapping", "lint", a, b)
    assert said.code == 0
    assert sum(f"{b}:" in line and f"{a}:" in line for line in said.out.splitlines()) == 7


def test_lint_refuses_files_of_which_one_is_invalid(files: Files) -> None:
    files.b.write_text("labels: {opne: [go]}")
    said = job_status("mapping", "lint", files.a, files.b)
    assert said.code == 2
    assert f"{files.a}: fine: 1 label\n" in said.out
    assert said.err == f"error: 1 problem in {files.a}, {files.b}\n"


def test_an_invalid_second_file_is_refused_before_anything_runs(files: Files) -> None:
    files.b.write_text("labels: {opne: [go]}")
    said = run("--input", files.events, "--output", files.output, *files.options)
    assert_clear_error(said, 2, f"{files.b}:1: labels: unknown value `opne`", "Did you mean `open`")
    assert not files.output.exists()


def test_explain_reads_a_bare_word_as_a_text() -> None:
    said = job_status("mapping", "explain", "--provider", "workable", "closed")
    assert said.code == 0
    assert 'source_value: "closed" (a text, because the argument is not JSON)' in said.out
    assert "internal by provider_rule" in said.out


def test_the_schema_is_printed_for_editors() -> None:
    said = job_status("mapping", "schema")
    assert (said.code, json.loads(said.out)) == (0, json_schema())


@pytest.mark.parametrize("subcommand", ["explain", "test", "print", "suggest", "lint", "schema"])
def test_the_help_fits_80_columns(subcommand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in ([subcommand, "--help"], ["--help"]):
        said = job_status("mapping", *words)
        assert said.code == 0
        assert max(map(len, said.out.splitlines())) <= 80


def test_lint_accepts_the_built_in_file() -> None:
    root = Path(__file__).resolve().parents[3]
    assert "fine" in job_status("mapping", "lint", root / BUILT_IN_NAME).out
