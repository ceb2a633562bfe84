"""Runs the commands and the code of README unchanged."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.mapping.tables import load_mapping
from tests import pubsub
from tests.components import component_path
from tests.pipeline import command
from tests.pipeline.command import Said

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Returns the code blocks of README in a language; an empty string means no language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [code for name, code in found if name == language]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as README assumes it: samples, events of the user, and an output."""
    place = tmp_path_factory.mktemp("user")
    (place / "samples").symlink_to(ROOT / "samples")
    (place / "events").mkdir()
    (place / "events" / "mine.jsonl.gz").write_bytes(
        (ROOT / "samples" / "webhooks_archive.jsonl.gz").read_bytes()
    )
    done = job_status(["run", "--input", "samples/*", "--output", "output"], place)
    assert done.code == 0, done.err
    return place


def job_status(arguments: list[str], place: Path) -> Said:
    """Runs the command in a directory, in this process, since a new one would start slowly."""
    before = os.getcwd()
    os.chdir(place)
    try:
        return command.job_status(*arguments)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("code", blocks("python"))
def test_each_example_that_reads_the_output_works(code: str, workplace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def commands(*words: str) -> list[str]:
    """Returns the lines that call the command and contain one of the words."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    found = [
        line
        for line in lines
        if line.startswith("./run_local.sh ") and any(word in line for word in words)
    ]
    assert found
    return found


def test_every_command_for_files_works(workplace: Path) -> None:
    for line in commands("--input ", "mapping", "dead-letters", "replay", "inspect"):
        words = shlex.split(line, comments=True)[1:]
        target = None
        if ">" in words:
            target = workplace / words[-1]
            words = words[: words.index(">")]
        done = job_status(words, workplace)
        # The dead letters of the samples cannot be repaired.
        assert done.code == (4 if "exit code 4" in line else 0), (line, done.err)
        if target is not None:
            # A user fills in the values of the suggested rules.
            target.write_text(re.sub("FILL_IN", "unmapped_value", done.out), "utf-8")


def test_the_summary_in_the_readme_is_that_of_the_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    # The summary repeats the name by which run_local.sh calls the command.
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv" / "bin" / "job-status")])
    arguments = ["--input", "samples/*", "--output", "output"]
    done = job_status(["run", *arguments, "--run_id", "20250501T100000Z-d3801d55"], tmp_path)
    shown = next(block for block in blocks("") if block.startswith("read"))

    def without_varying_parts(text: str) -> list[str]:
        # The path of the output differs, and its length decides where it is folded.
        text = re.sub(r"^job_status .*?\n\n", "\n", text, flags=re.MULTILINE | re.DOTALL)
        rows = (row.rstrip() for row in text.splitlines())
        return [re.sub(r"\d+\.\d s$", "", row).rstrip() for row in rows]

    assert without_varying_parts(done.err) == without_varying_parts(shown)


def test_the_record_in_the_readme_is_one_of_the_samples(workplace: Path) -> None:
    import fastavro

    shown = json.loads(blocks("json")[0])
    for path in (workplace / "output" / "job_status").glob("*.avro"):
        with open(path, "rb") as file:
            for record in cast("list[dict[str, Any]]", list(fastavro.reader(file))):
                if record["event_id"] == shown["event_id"]:
                    assert record["job_status"] == shown["job_status"]
                    assert record["source_offset"] == shown["source_offset"]
                    assert os.path.basename(record["source"]) == os.path.basename(shown["source"])
                    return
    pytest.fail("no record of the samples has the event_id that README shows")


def test_every_link_has_a_target() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {f"#{heading.lower().replace(' ', '-')}" for heading in headings}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target in anchors or (ROOT / target).exists(), target


SUBSCRIPTION = "projects/my-project/subscriptions/job-events"


@pytest.fixture
def messages(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A subscription with the name in README. Yields the number of its messages."""
    with pubsub.running_server() as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
        published = server.create(SUBSCRIPTION)
        payloads = (ROOT / "samples" / "webhooks.jsonl").read_bytes().splitlines()
        server.publish(published.topic, payloads)
        yield len(payloads)
        shutil.rmtree(workplace / "out", ignore_errors=True)


@pytest.mark.needs("pubsub_emulator", "pubsub_client")
def test_the_command_that_drains_works(workplace: Path, messages: int) -> None:
    shutil.rmtree(workplace / "out", ignore_errors=True)
    (line,) = commands("--drain")
    done = job_status(shlex.split(line, comments=True)[1:], workplace)
    assert done.code == 0, done.err
    assert re.search(rf"^read +{messages} ", done.err, re.MULTILINE)


@pytest.mark.needs("pubsub_emulator", "pubsub_client", "prism")
def test_the_command_that_streams_works(workplace: Path, messages: int) -> None:
    shutil.rmtree(workplace / "out", ignore_errors=True)
    (line,) = commands("--streaming")
    prism = component_path("prism")
    words = [*shlex.split(line, comments=True)[1:], f"--prism_location={prism}"]
    program = str(Path(sys.executable).parent / "job-status")
    with subprocess.Popen(
        [program, *words], cwd=workplace, stderr=subprocess.PIPE, text=True
    ) as stream:
        assert stream.stderr is not None
        # The command prints its progress. A stopped stream commits the messages that it has pulled.
        assert any(text.startswith(f"{messages} messages") for text in stream.stderr)
        stream.send_signal(signal.SIGTERM)
        _, rest = stream.communicate(timeout=120)
    assert stream.returncode == 128 + signal.SIGTERM, rest
    assert re.search(rf"^read +{messages} ", rest, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_the_number_of_systems_with_rules_is_that_of_the_tables(page: str) -> None:
    (number,) = re.findall(r"rules for (\d+) (?:hiring )?systems", (ROOT / page).read_text("utf-8"))
    assert int(number) == len(load_mapping().providers)


def test_the_factor_in_the_first_lines_is_that_of_the_table() -> None:
    (loop,) = re.findall(r"^\| best plain loop.*? \| ([\d.]+) \|", README, re.MULTILINE)
    (ours,) = re.findall(r"^\| job-status, one process \| ([\d.]+) \|", README, re.MULTILINE)
    (factor,) = re.findall(r"one core is (\d+) times as fast as the best plain loop", README)
    assert int(factor) == round(float(loop) / float(ours))


@pytest.mark.parametrize("page", ["README.md", "docs/readers.md"])
def test_a_snippet_imports_what_is_set_up_or_what_a_line_before_it_installs(page: str) -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    first, *rest = (ROOT / page).read_text("utf-8").split("```python\n")
    assert len(rest) > 2
    installed: list[str] = []
    for before, text in itertools.pairwise([first, *rest]):
        for line in re.findall(r"After `\.venv/bin/pip install ([^`]+)`", before):
            installed += line.split()
        imports = [
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(text.partition("```")[0]))
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        for name in set(imports) - sys.stdlib_module_names:
            package = name.replace("_", "-")
            assert f"\n{package}==" in lock or package in installed, name
