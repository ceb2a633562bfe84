"""Runs the commands in docs/ that no other test runs, and checks links and names."""

from __future__ import annotations

import os
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from schemas.avro import RECORD_NAMES, record_schema
from tests.pipeline.command import job_status, run, write_events
from transforms.storage import manifest_directory, staging_root

DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands(name: str) -> list[str]:
    """Returns the commands of a page, without `job-status`."""
    text = (DOCS / name).read_text("utf-8")
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("job-status ") for line in lines if line.startswith("job-status ")]


@pytest.mark.usefixtures("no_sync")
def test_the_commands_on_dead_letters_work(tmp_path: Path) -> None:
    output = tmp_path / "out"
    (tmp_path / "inbox").mkdir()
    events = write_events(tmp_path / "inbox" / "events.jsonl", 0, 3, bad=2)
    assert run("--input", events, "--output", output).code == 0
    lines = commands("operations.md")
    assert len(lines) >= 4
    for line in lines:
        paths = {"OUTPUT": str(output), "inbox/*": f"{tmp_path}/inbox/*"}
        words = [paths.get(word, word) for word in shlex.split(line, True)]
        done = job_status(*words)
        # The dead letters cannot be repaired, so a replay writes nothing.
        assert done.code == (4 if words[0] == "replay" else 0), (line, done.err)


class _Dag:
    """Stands for Airflow's class: only the arguments count."""

    schedules: ClassVar[dict[str, str]] = {}

    def __init__(self, dag_id: str, *, schedule: str, start_date: datetime, **_: Any) -> None:
        self.schedules[dag_id] = schedule

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.usefixtures("no_sync")
def test_the_commands_of_the_airflow_example_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "operations.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    tasks: dict[str, str] = {}

    def operator(*, task_id: str, bash_command: str) -> None:
        tasks[task_id] = bash_command

    modules: dict[str, dict[str, Any]] = {
        "airflow.sdk": {"DAG": _Dag},
        "airflow.providers.standard.operators.bash": {"BashOperator": operator},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, "operations.md", "exec"), {})
    assert [*_Dag.schedules.values()] == ["@hourly", "15 3 * * *"]
    assert list(tasks) == ["read", "compact"]
    write_events(tmp_path / "inbox" / "events.jsonl", 0, 3)
    for task in ("read", "compact", "read"):
        command = tasks[task].replace("{{ ts_nodash }}", "20260101T000000")
        program, *words = shlex.split(command.replace("/data/", f"{tmp_path}/"))
        assert program == "job-status"
        done = job_status(*words)
        assert done.code == 0, done.err
    assert len([*(tmp_path / "out" / "_manifest").iterdir()]) == 1


def test_the_commands_on_pubsub_are_those_of_the_readme() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    lines = commands("streaming.md")
    assert len(lines) == 2
    assert all(f"./run_local.sh {line}\n" in readme for line in lines)


def test_the_table_of_sizes_is_the_output_of_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "scale.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    exec(compile(code, "scale.md", "exec"), {})
    rows = capsys.readouterr().out
    assert len(rows.splitlines()) > 15
    assert rows in text


def test_the_picture_of_the_specification_names_the_records_and_the_folders_of_an_output() -> None:
    text = (DOCS / "specification.md").read_text("utf-8")
    (picture,) = re.findall(r"^```mermaid\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    records = [record_schema(name).parsed["name"] for name in RECORD_NAMES]
    folders = [os.path.basename(place("out")) for place in (manifest_directory, staging_root)]
    assert all(name in picture for name in [*records, *folders])
    # An arrow to a box that is not defined would draw an empty one with its name.
    boxes = set(re.findall(r"\b(\w+)(?:\[|\(\[)", picture))
    assert set(re.findall(r"(?:-->|--) (\w+)\s*$", picture, re.MULTILINE)) <= boxes


def test_every_file_and_name_of_the_architecture_exists() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    paths = re.findall(r"`((?:pipeline|transforms|schemas|tests)/[\w./]*)`", text)
    assert len(paths) > 40
    for path in paths:
        assert (DOCS.parent / path).exists(), path
    named = re.findall(
        r"`((?:pipeline|transforms|schemas)/[\w./]*\.py)`(?: \||\s+\()((?:,?\s*`\w+`)+)", text
    )
    assert len(named) > 20
    for path, names in named:
        code = (DOCS.parent / path).read_text("utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"\b{name}\b", code), (path, name)
