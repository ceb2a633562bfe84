"""`inspect` shows the content of an output, and finds every change of its files."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from pipeline.inspect.content import content_of
from schemas.manifest import Manifest
from tests.pipeline.command import Said, job_status, write_events
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import lines, run_once, settings, stage
from transforms.blocks import PendingAcks
from transforms.write.commit import commit

pytestmark = pytest.mark.usefixtures("no_sync")

RECORDS = 40
BAD = 3


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of one run: records in two files, and dead letters."""
    output = tmp_path_factory.mktemp("committed") / "out"
    run_once(settings(str(output), "daily"), lines(0, RECORDS, bad=BAD))
    return output


@pytest.fixture
def output(committed: Path, tmp_path: Path) -> Path:
    """A copy for one test to change."""
    return Path(shutil.copytree(committed, tmp_path / "out"))


def _files(output: Path) -> list[Path]:
    files = sorted((output / "job_status").glob("*.avro"))
    assert len(files) == 2
    return files


def _ends_of_blocks(path: Path) -> Iterator[tuple[int, int]]:
    """Returns the offsets where blocks end, with the number of records before them."""
    records = 0
    with path.open("rb") as file:
        for block in fastavro.block_reader(file):
            if records == 0:
                yield block.offset, 0
            records += block.num_records
            yield block.offset + block.size, records


def _result(said: Said) -> dict[str, Any]:
    return dict(json.loads(said.out))


def test_an_unchanged_output_is_shown_and_passes(output: Path) -> None:
    said = job_status("inspect", output)
    assert said.code == 0, said.err
    for shown in (
        *("JobStatusEvent version 1", "DeadLetter version 1", "deflate"),
        *("run daily", "read 43, written 40, dead-lettered 3, ignored 0"),
        *("published 14", "closed 13", "unmapped_value 13", "lever 40", "INVALID_JSON 3"),
        "provider_rule",
    ):
        assert shown in said.out, shown
    assert said.err == ""


def test_json_holds_the_counts_of_the_records_and_the_first_rows(output: Path) -> None:
    said = job_status("inspect", output, "--json", "--rows", "2")
    assert said.code == 0, said.err
    result = _result(said)
    assert result["ok"] and result["problems"] == []
    records: list[dict[str, Any]] = []
    for path in _files(output):
        with path.open("rb") as file:
            records += [each for each in fastavro.reader(file) if isinstance(each, dict)]
    values = Counter(str(each["job_status"]["value"]) for each in records)
    assert result["by_value"] == dict(values)
    assert result["by_record_type"] == {"job": RECORDS}
    assert result["by_provider"] == {"lever": RECORDS}
    assert result["dead_letters_by_provider"] == {"null": BAD}
    rows = result["rows"]["job_status.JobStatusEvent"]
    assert [row["event_id"] for row in rows] == [each["event_id"] for each in records[:2]]
    (letter, _) = result["rows"]["job_status.DeadLetter"]
    assert letter["payload"].startswith("no event")
    events = [each for each in result["files"] if each["schema"] == "job_status.JobStatusEvent"]
    assert sum(each["records"] for each in events) == RECORDS
    assert {each["run_id"] for each in result["files"]} == {"daily"}
    assert {each["codec"] for each in result["files"]} == {"deflate"}


@pytest.mark.parametrize("what", ["directory", "manifest", "file"])
def test_a_truncation_exactly_between_two_blocks_is_found(output: Path, what: str) -> None:
    path = _files(output)[0]
    *_, (end, left), (_, whole) = _ends_of_blocks(path)
    path.write_bytes(path.read_bytes()[:end])
    with path.open("rb") as file:
        assert len(list(fastavro.reader(file))) == left  # readers don't notice
    paths = {"directory": output, "manifest": output / "_manifest" / "daily.json", "file": path}
    said = job_status("inspect", paths[what], "--json")
    assert said.code == 1
    (problem,) = _result(said)["problems"]
    assert problem["path"] == str(path)
    assert problem["missing_records"] == whole - left > 0
    assert "between two blocks" in problem["problem"]
    assert "1 problem found" in said.err


def test_a_truncation_at_any_byte_is_found_with_the_number_of_missing_records(output: Path) -> None:
    path = _files(output)[0]
    whole = path.read_bytes()
    ends = list(_ends_of_blocks(path))
    total = ends[-1][1]
    for size in {*range(0, len(whole), 211), *(end + more for end, _ in ends for more in (-1, 1))}:
        if size >= len(whole):
            continue
        path.write_bytes(whole[:size])
        left = max((records for end, records in ends if end <= size), default=0)
        said = job_status("inspect", output, "--json", "--rows", "0")
        (problem,) = _result(said)["problems"]
        assert (said.code, problem["path"]) == (1, str(path))
        assert problem["missing_records"] == total - left, size


def test_a_removed_file_is_found(output: Path) -> None:
    path = _files(output)[1]
    records = content_of(str(path)).records
    path.unlink()
    said = job_status("inspect", output, "--json")
    (problem,) = _result(said)["problems"]
    assert said.code == 1
    assert (problem["path"], problem["missing_records"]) == (str(path), records)


def test_swapped_files_are_found(output: Path) -> None:
    first, second = _files(output)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    said = job_status("inspect", output, "--json")
    assert said.code == 1
    problems = {each["path"]: each["problem"] for each in _result(said)["problems"]}
    assert problems.keys() == {str(first), str(second)}
    assert str(second) in problems[str(first)] and "swapped" in problems[str(first)]


def test_one_changed_bit_is_found(output: Path) -> None:
    path = _files(output)[0]
    data = bytearray(path.read_bytes())
    (header, _), *_ = _ends_of_blocks(path)
    for position in range(header, len(data), 97):
        changed = bytearray(data)
        changed[position] ^= 4
        path.write_bytes(changed)
        said = job_status("inspect", path, "--json", "--rows", "0")
        assert said.code == 1
        assert _result(said)["problems"][0]["path"] == str(path)


def test_a_file_that_no_run_wrote_is_found(output: Path) -> None:
    stranger = output / "job_status" / "stranger.avro"
    shutil.copy(_files(output)[0], stranger)
    for path in (output, stranger):
        said = job_status("inspect", path, "--json")
        (problem,) = _result(said)["problems"]
        assert (said.code, problem["path"]) == (1, str(stranger))
        assert "no manifest" in problem["problem"]


def test_a_manifest_with_other_counts_is_found(output: Path) -> None:
    path = output / "_manifest" / "daily.json"
    manifest = Manifest.from_json(path.read_bytes())
    manifest.by_value["closed"] += 1
    manifest.by_value["published"] -= 1
    path.write_bytes(msgspec.json.encode(manifest))
    said = job_status("inspect", output)
    assert said.code == 1
    assert "by_value" in said.out


def test_a_file_without_a_manifest_is_shown_with_a_warning(output: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.avro"
    shutil.copy(_files(output)[0], alone)
    said = job_status("inspect", alone)
    assert said.code == 0
    assert "JobStatusEvent" in said.out
    assert "no manifest" in said.err
    alone.write_bytes(alone.read_bytes()[:-1])
    said = job_status("inspect", alone)
    assert said.code == 1
    assert "is truncated in the middle of a block" in said.out


def test_a_stray_file_is_described_by_its_run(output: Path) -> None:
    shutil.copy(_files(output)[0], output / "job_status" / "stranger.avro")
    (problem,) = _result(job_status("inspect", output, "--json"))["problems"]
    assert "records of the run daily, whose manifest is missing" in problem["problem"]


def test_files_that_belong_to_no_run_are_named(output: Path) -> None:
    (output / "_staging" / "other").mkdir(parents=True)
    (output / "job_status" / "notes.txt").touch()
    said = job_status("inspect", output)
    assert said.code == 0
    assert f"{output}/_staging/other belongs to a run that is active, or was stopped" in said.err
    assert f"{output}/job_status/notes.txt is not an Avro file" in said.err


def test_an_output_without_manifests_is_read(output: Path) -> None:
    shutil.rmtree(output / "_manifest")
    said = job_status("inspect", output, "--json")
    assert said.code == 0
    assert len(_result(said)["files"]) == 4
    assert "no manifest belongs to this" in said.err


def test_an_output_with_staged_files_only_has_nothing_to_inspect(tmp_path: Path) -> None:
    (tmp_path / "_staging" / "first").mkdir(parents=True)
    said = job_status("inspect", tmp_path)
    assert said.code == 3
    assert "_staging/first belongs to a run" in said.err


def test_any_avro_file_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "other.avro"
    schema = {"type": "record", "name": "Other", "fields": [{"name": "n", "type": "long"}]}
    with path.open("wb") as file:
        fastavro.writer(file, schema, [{"n": 7777}])
    said = job_status("inspect", path)
    assert said.code == 0
    assert "Other" in said.out and "7777" in said.out


def test_control_characters_and_markup_are_escaped(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 0)
    job = {"id": "1", "job_status": {"source_value": "\x1b[2J[bold]x"}}
    path.write_text(json.dumps({"event": "ats_jobs.updated", "event_data": job}) + "\n")
    assert job_status("run", "--input", path, "--output", tmp_path / "out").code == 0
    said = job_status("inspect", tmp_path / "out")
    assert "\x1b" not in said.out
    assert "\\x1b[2J[bold]x" in said.out


def test_a_run_that_was_interrupted_while_committing_is_reported(output: Path) -> None:
    second = settings(str(output), "second", write_mode="append")
    ledger = stage(second, lines(100, 5))
    with failing(4), pytest.raises(Killed):
        commit(second, ledger)
    said = job_status("inspect", output, "--json")
    assert said.code == 1
    (problem,) = _result(said)["problems"]
    assert problem["path"].endswith("second.pending.json")


def test_a_committed_pane_whose_messages_are_not_acknowledged_yet_is_no_problem(
    output: Path,
) -> None:
    pane = settings(str(output), "pane", write_mode="append")
    ledger = stage(pane, lines(100, 5))
    ledger.pending_acks.append(PendingAcks("projects/p/subscriptions/s", ["1"], 0))
    commit(pane, ledger)
    assert list(output.glob("_manifest/pane.pending.json"))
    said = job_status("inspect", output, "--json")
    assert said.code == 0
    assert _result(said)["problems"] == []


def test_while_older_runs_are_replaced_only_the_new_one_counts(output: Path) -> None:
    second = settings(str(output), "second", write_mode="overwrite")
    ledger = stage(second, lines(100, 5))
    steps = 0
    while not (output / "_manifest" / "second.json").exists():
        steps += 1
        with failing(steps), pytest.raises(Killed):
            commit(second, ledger)
    said = job_status("inspect", output, "--json")
    result = _result(said)
    assert [each["run_id"] for each in result["runs"]] == ["second"]
    assert [each["path"].endswith("second.pending.json") for each in result["problems"]] == [True]


def test_dead_letters_elsewhere_are_checked_too(tmp_path: Path) -> None:
    letters = tmp_path / "letters"
    run = settings(str(tmp_path / "out"), "daily", dead_letter_output=str(letters))
    run_once(run, lines(0, 4))
    assert job_status("inspect", tmp_path / "out").code == 0
    (path,) = letters.glob("*.avro")
    path.unlink()
    said = job_status("inspect", tmp_path / "out", "--json")
    assert said.code == 1
    assert [each["path"] for each in _result(said)["problems"]] == [str(path)]


@pytest.mark.parametrize("name", ["nothing", "nothing.avro", "nothing.json"])
def test_a_missing_path_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    said = job_status("inspect", tmp_path / name)
    assert said.code == 3
    assert str(tmp_path / name) in said.err


def test_an_unknown_flag_is_refused() -> None:
    said = job_status("inspect", "out", "--rovs", "3")
    assert said.code == 2
    assert "--rovs" in said.err
