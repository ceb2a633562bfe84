"""The report page has the command line, the next steps and the dead letters of the run."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pipeline.options import RunOptions
from pipeline.report.html.details import page_details
from schemas.manifest import Manifest, OutputFile
from tests.pipeline.command import job_status, run, write_events

pytestmark = pytest.mark.usefixtures("no_sync")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a run with a dead letter and a status without a rule."""
    monkeypatch.chdir(tmp_path)
    write_events(tmp_path / "in put.jsonl", 0, 2, bad=1)
    with open("in put.jsonl", "a", encoding="utf-8") as file:
        file.write('{"id": {}}\n{"id": "1", "job_status": {"source_value": "Zonked"}}\n')
    arguments = ["--input", "in put.jsonl", "--output", "out", "--s3_session_token=CANARY"]
    assert run(*arguments, "--report", "report.html").code == 0
    return Path("report.html").read_text("utf-8")


def test_the_command_line_can_be_pasted_and_has_no_secret(page: str, tmp_path: Path) -> None:
    assert "job-status run --input &#39;in put.jsonl&#39; --output out " in page
    assert " --report report.html --s3_session_token=HIDDEN\n" in page
    assert "CANARY" not in page
    assert f"It ran in {tmp_path}." in page


def test_the_first_dead_letter_of_each_reason_has_its_file_line_and_path(
    page: str, tmp_path: Path
) -> None:
    assert f"{tmp_path}/in put.jsonl:3<" in page
    assert f"{tmp_path}/in put.jsonl:4 at $.id<" in page


def test_the_mapping_file_to_fill_in_is_that_of_suggest(page: str) -> None:
    (manifest,) = Path("out/_manifest").glob("*.json")
    _, _, rules = job_status("mapping", "suggest", str(manifest)).out.partition("\n")
    assert "Zonked" in rules
    assert rules.strip() in page.replace("&#34;", '"')


def test_the_commands_of_the_next_steps_are_those_of_the_summary(page: str) -> None:
    assert "<code>job-status dead-letters out\n</code>" in page
    assert job_status(*shlex.split("dead-letters out")).code == 0


def test_dead_letters_that_cannot_be_read_do_not_fail_the_report(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.avro"
    damaged.write_bytes(b"Obj\x01")
    files = [OutputFile(str(path), 1, 4, "", "dead_letter") for path in (damaged, tmp_path / "x")]
    report = Manifest(run_id="r", dead_lettered=2, files=files)
    assert page_details(report, RunOptions(output="out"), "run", [], "").letters == []
