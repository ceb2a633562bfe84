"""Runs the examples as their users do, each in a directory of its own."""

from __future__ import annotations

import gzip
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.manifest import Manifest
from tests.conftest import ReadRecords
from tests.examples import ROOT, user_environment
from tests.pipeline.command import job_status as run_command
from tests.pipeline.command import write_events
from transforms import NormalizeJobStatus
from transforms.storage import read_manifests

EXAMPLES = ROOT / "examples"


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user."""
    return user_environment(tmp_path_factory.mktemp("environment"))


def run(words: list[Any], place: Path, environment: dict[str, str]) -> Any:
    """Runs a command to its end."""
    return subprocess.run(
        list(map(str, words)),
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def manifests(output: Path) -> list[Manifest]:
    """Returns the manifests of an output."""
    return [manifest for _, manifest in read_manifests(str(output))]


def test_the_nightly_backfill_reads_only_what_is_new(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    events, output = tmp_path / "events", tmp_path / "job_status"
    events.mkdir()
    script = [EXAMPLES / "backfill" / "nightly.sh", events, output]
    for night in range(2):
        write_events(events / f"{night}.jsonl", night, 3)
        done = run(script, tmp_path, environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr
    assert [each.written for each in manifests(output)] == [3, 3]


def test_a_nightly_backfill_that_fails_prints_why(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    events = tmp_path / "events"
    events.mkdir()
    (events / "0.jsonl.gz").write_bytes(gzip.compress(b'{"id":"1"}')[:-4])
    script = [EXAMPLES / "backfill" / "nightly.sh", events, tmp_path / "out"]
    done = run(script, tmp_path, environment)
    assert (done.returncode, done.stdout) == (3, "")
    assert "exit code 3" in done.stderr and "0.jsonl.gz" in done.stderr


def test_the_unit_test_works_where_it_is_copied(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    place = tmp_path / "mine"
    shutil.copytree(EXAMPLES / "unit_test", place)
    golden = place / "golden" / "open_jobs.jsonl"
    expected = golden.read_text("utf-8")
    tests = ["python", "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", place, place]
    done = run(tests, place, environment)
    assert done.returncode == 0, done.stdout
    golden.write_text(expected.replace("greenhouse", "lever"), "utf-8")
    assert run(tests, place, environment).returncode == 1
    done = run(tests, place, {**environment, "UPDATE_GOLDEN": "1"})
    assert (done.returncode, golden.read_text("utf-8")) == (0, expected), done.stdout


def test_the_events_of_the_unit_test_are_those_of_its_command(tmp_path: Path) -> None:
    text = (EXAMPLES / "unit_test" / "test_open_jobs.py").read_text("utf-8")
    (command,) = re.findall(r"`job-status (sample .*?)`", text)
    _, _, *options = shlex.split(command)
    run_command("sample", tmp_path, *options)
    golden = EXAMPLES / "unit_test" / "golden" / "events.jsonl"
    assert (tmp_path / "events.jsonl").read_bytes() == golden.read_bytes()


def yaml_command(name: str) -> list[str]:
    """Returns the command in the comment of a pipeline."""
    text = (EXAMPLES / "yaml" / name).read_text("utf-8")
    comment = "\n".join(re.findall(r"^# ?(.*)$", text, re.MULTILINE))
    (command,) = re.findall(r"^ +(python -m (?:.*\\\n)*.*)", comment, re.MULTILINE)
    # Beam's default runner first tries to download another one.
    return [*shlex.split(command.replace("\\\n", " ")), "--runner=FnApiRunner"]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A directory as that of this project, in which a command may write."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (tmp_path / "examples").symlink_to(EXAMPLES)
    return tmp_path


def test_the_yaml_pipeline_writes_statuses_and_errors(
    workplace: Path, environment: dict[str, str]
) -> None:
    done = run(yaml_command("statuses.yaml"), workplace, environment)
    assert done.returncode == 0, done.stderr
    (path,) = (workplace / "statuses").glob("statuses.json*")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {"provider": "greenhouse", "job_id": "019101b6", "status": "x"}.keys() == rows[0].keys()
    assert len(rows) == 35
    (path,) = (workplace / "statuses").glob("errors.json*")
    codes = [json.loads(line)["code"] for line in path.read_text().splitlines()]
    assert sorted(codes) == ["INVALID_JSON", "NOT_AN_EVENT"]


def test_the_yaml_backfill_writes_the_output_of_the_command(
    workplace: Path, environment: dict[str, str], read_records: ReadRecords
) -> None:
    done = run(yaml_command("backfill.yaml"), workplace, environment)
    assert done.returncode == 0, done.stderr
    (manifest,) = manifests(workplace / "backfill")
    assert (manifest.read, manifest.written, manifest.dead_lettered) == (408, 387, 21)
    assert len(read_records(workplace / "backfill")) == 387


def test_the_notebook_runs_from_samples_to_a_plot(environment: dict[str, str]) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "statuses.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=environment)
    outputs = [output for cell in code for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert re.search(r"^[1-9]\d* events, [1-9]\d* errors$", printed, re.MULTILINE)


PAGE = (ROOT / "docs" / "pipelines.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Returns the code blocks of the page on pipelines in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_each_pipeline_of_the_page_works(
    code: str, workplace: Path, environment: dict[str, str]
) -> None:
    done = run([sys.executable, "-c", code], workplace, environment)
    assert done.returncode == 0, done.stderr
    assert list((workplace / "statuses").rglob("*"))


def test_the_yaml_of_the_page_works(workplace: Path, environment: dict[str, str]) -> None:
    (text,) = blocks("yaml")
    (workplace / "mine.yaml").write_text(text)
    command = ["python", "-m", "apache_beam.yaml.main", "--yaml_pipeline_file=mine.yaml"]
    done = run([*command, "--runner=FnApiRunner"], workplace, environment)
    assert done.returncode == 0, done.stderr
    assert '"status": "open"' in done.stderr
    assert '"error_code": "INVALID_JSON"' in done.stderr


def test_the_commands_of_the_page_are_those_of_the_pipelines() -> None:
    (text,) = blocks("sh")
    commands = [shlex.split(each) for each in text.replace("\\\n", " ").splitlines()]
    expected = [yaml_command(name)[:-1] for name in ("statuses.yaml", "backfill.yaml")]
    assert commands == expected


def test_the_options_of_the_page_are_those_of_the_transform() -> None:
    named = re.findall(r"^\| `(\w+)` \|.*\| `--\w+` \|$", PAGE, re.MULTILINE)
    assert named == list(inspect.signature(NormalizeJobStatus).parameters)
