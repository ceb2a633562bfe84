"""`job-status dead-letters` groups dead letters and hides payloads by default."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import records_of
from tests.pipeline.command import Said, job_status, run, write_events

pytestmark = pytest.mark.usefixtures("no_sync")

CANARY = "Grace.Hopper"


def dead_letters(*arguments: str | Path) -> Said:
    """Runs `job-status dead-letters` with the arguments."""
    return job_status("dead-letters", *arguments)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with dead letters from two sources."""
    directory = tmp_path_factory.mktemp("letters")
    write_events(directory / "in" / "a.jsonl", 0, 2, bad=12)
    other = directory / "in" / "b.jsonl"
    job = {"id": [CANARY], "title": "\x1b[2J"}
    other.write_text(f"{json.dumps(job, ensure_ascii=False)}\n{json.dumps({'id': {}})}\n[\n")
    assert run("--input", f"{directory}/in/*", "--output", directory / "out").code == 0
    return directory / "out"


def test_groups_by_code_and_reason_are_sorted_by_count(output: Path) -> None:
    said = dead_letters(output, "--json")
    assert (said.code, said.err) == (0, "")
    groups = json.loads(said.out)
    counts = [(each["error_code"], each["reason"], each["count"]) for each in groups]
    assert counts == [
        ("INVALID_JSON", "JSON is malformed: invalid character (byte 0)", 12),
        ("INVALID_JSON", "Input data was truncated", 1),
        ("WRONG_TYPE", "expected a string or a number, found array", 1),
        ("WRONG_TYPE", "expected a string or a number, found object", 1),
    ]
    codes = Counter(each["error_code"] for each in records_of(output, "dead_letter"))
    assert codes == {"INVALID_JSON": 13, "WRONG_TYPE": 2}


def test_a_group_has_an_example_with_file_line_and_path(output: Path) -> None:
    lines = dead_letters(output).out.splitlines()
    assert lines[:2] == [
        "12  INVALID_JSON: JSON is malformed: invalid character (byte 0)",
        f"    such as {output.parent / 'in' / 'a.jsonl'}:3",
    ]
    assert lines[-1] == f"    {output.parent / 'in' / 'b.jsonl'}:2 at $.id"


def test_numbers_that_differ_do_not_make_another_reason(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"id":1}\n{"id":1}x\n{"id":1} x\n')
    assert run("--input", path, "--output", tmp_path / "out").code == 0
    first, _ = dead_letters(tmp_path / "out").out.splitlines()
    assert first == "2  INVALID_JSON: JSON is malformed: trailing characters (byte N)"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_payloads_are_shown_only_on_request(output: Path, form: tuple[str, ...]) -> None:
    said = dead_letters(output, *form)
    assert CANARY not in said.out + said.err
    assert CANARY in dead_letters(output, *form, "--show_payload").out


def test_the_first_ten_payloads_of_a_group_are_shown(output: Path) -> None:
    groups = json.loads(dead_letters(output, "--json", "--show_payload").out)
    assert [each["payload"] for each in groups[0]["examples"]] == [
        f"bad {number}" for number in range(10)
    ]
    assert groups[0]["examples"][1]["source_offset"] > groups[0]["examples"][0]["source_offset"]


def test_control_characters_of_payloads_are_not_printed(output: Path) -> None:
    said = dead_letters(output, "--show_payload")
    assert all(character.isprintable() or character == "\n" for character in said.out)


def test_replayed_letters_are_counted_apart(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 2, bad=1)
    output = tmp_path / "out"
    assert run("--input", path, "--output", output).code == 0
    assert job_status("replay", output, "--output", output).code == 4
    (group,) = json.loads(dead_letters(output / "dead_letter", "--json").out)
    assert (group["count"], group["replayed"]) == (1, 1)
    *_, last = dead_letters(output).out.splitlines()
    assert last == "1 dead letter replayed before, not counted above"


def test_an_output_without_dead_letters_gives_a_message(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 2)
    assert run("--input", path, "--output", tmp_path / "out").code == 0
    assert dead_letters(tmp_path / "out").out == "no dead letters\n"


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    said = dead_letters(tmp_path / "none")
    assert said.code == 3
    assert str(tmp_path / "none") in said.err


def test_a_damaged_file_is_reported_after_the_readable_letters(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 0, bad=3)
    output = tmp_path / "out"
    assert run("--input", path, "--output", output).code == 4
    (letters,) = (output / "dead_letter").iterdir()
    letters.write_bytes(letters.read_bytes() + b"x")
    said = dead_letters(output)
    assert said.code == 3
    assert said.out.split()[0] == "3"
    assert str(letters) in said.err
