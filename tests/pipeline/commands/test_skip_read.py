"""`run --skip_read` reads only the files that are new or changed since earlier runs."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pytest

from tests.conftest import ReadRecords
from tests.pipeline.command import Said, assert_clear_error, job_status, run, visible, write_events
from tests.transforms.faults import Killed, failing
from tests.transforms.runs import settings
from transforms.blocks.ledger import InputLedger, Ledger
from transforms.read.ranges import match_files
from transforms.storage import filesystem
from transforms.storage.manifests import read_bytes
from transforms.write.commit import commit

pytestmark = pytest.mark.usefixtures("no_sync")


def _run(tmp_path: Path, *more: str) -> Said:
    where = ("--input", f"{tmp_path}/in/*", "--output", f"{tmp_path}/out")
    return run(*where, "--write_mode", "append", "--skip_read", *more)


@pytest.fixture
def ids(tmp_path: Path, read_records: ReadRecords) -> Any:
    def counted() -> Counter[str]:
        return Counter(each["job_id"] for each in read_records(tmp_path / "out"))

    return counted


def _numbers(count: int) -> Counter[str]:
    return Counter(map(str, range(count)))


def test_only_new_files_are_read(tmp_path: Path, ids: Any) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 10)
    assert _run(tmp_path).code == 0
    write_events(tmp_path / "in" / "b.jsonl", 10, 5)
    said = _run(tmp_path, "--report", f"{tmp_path}/report.json")
    assert said.code == 0, said.err
    assert ids() == _numbers(15)
    assert "skipped 1 file that earlier runs have read\n" in said.err
    assert "read by earlier runs" in said.err
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["read"], report["skipped_inputs"], report["changed_inputs"]) == (5, 1, 0)
    assert [each["path"] for each in report["inputs"]] == [f"{tmp_path}/in/b.jsonl"]


def test_without_a_new_file_nothing_is_changed(tmp_path: Path) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 3)
    assert _run(tmp_path).code == 0
    before = visible(tmp_path / "out")
    said = _run(tmp_path, "--report", f"{tmp_path}/report.json")
    assert said.code == 0
    assert "there are no new or changed files; nothing was changed" in said.err
    assert visible(tmp_path / "out") == before
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["read"], report["skipped_inputs"]) == (0, 1)


def test_a_changed_file_of_the_same_size_is_read_again(tmp_path: Path, ids: Any) -> None:
    path = write_events(tmp_path / "in" / "a.jsonl", 0, 1)
    write_events(tmp_path / "in" / "b.jsonl", 1, 1)
    assert _run(tmp_path).code == 0
    path.write_text(path.read_text().replace('"id": "0"', '"id": "7"'))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    said = _run(tmp_path)
    assert f"1 file changed since earlier runs read them; reading again: {path}\n" in said.err
    assert "1 changed, read again" in said.err
    assert ids() == Counter(["0", "1", "7"])
    assert "nothing was changed" in _run(tmp_path).err


def test_a_damaged_file_that_was_kept_is_read_again(tmp_path: Path) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 3)
    (tmp_path / "in" / "b.jsonl").write_bytes(b"PK\x03\x04 is an archive")
    assert _run(tmp_path, "--on_damaged_input", "keep").code == 3
    said = _run(tmp_path)
    assert said.code == 3
    assert "skipped 1 file" in said.err and "nothing was committed" in said.err


def test_files_of_a_replaced_run_are_read_again(tmp_path: Path, ids: Any) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 3)
    assert _run(tmp_path).code == 0
    other = write_events(tmp_path / "other.jsonl", 3, 2)
    mode = ("--write_mode", "overwrite")
    assert run("--input", other, "--output", tmp_path / "out", *mode).code == 0
    assert _run(tmp_path).code == 0
    assert ids() == _numbers(5)


def test_files_of_an_interrupted_commit_are_skipped_once_it_is_completed(
    tmp_path: Path, ids: Any
) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 3)
    with failing(None) as steps:
        assert _run(tmp_path).code == 0
    after_intent = 1 + next(n for n, step in enumerate(steps) if step.endswith(".pending.json"))
    filesystem.delete([str(tmp_path / "out")])
    with failing(after_intent), pytest.raises(Killed):
        _run(tmp_path)
    write_events(tmp_path / "in" / "b.jsonl", 3, 2)
    said = _run(tmp_path)
    assert said.code == 0, said.err
    assert ids() == _numbers(5)
    assert "skipped 1 file" in said.err


def test_a_run_id_that_found_nothing_new_can_be_used_again(tmp_path: Path, ids: Any) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 3)
    assert _run(tmp_path, "--run_id", "monday").code == 0
    assert "committed already" in _run(tmp_path, "--run_id", "monday").err
    assert "nothing was changed" in _run(tmp_path, "--run_id", "tuesday").err
    write_events(tmp_path / "in" / "b.jsonl", 3, 2)
    assert _run(tmp_path, "--run_id", "tuesday").code == 0
    assert ids() == _numbers(5)


def test_files_that_were_read_before_a_compaction_are_skipped(tmp_path: Path, ids: Any) -> None:
    for number, name in enumerate(("a", "b")):
        write_events(tmp_path / "in" / f"{name}.jsonl", number * 5, 5)
        assert _run(tmp_path).code == 0
    assert job_status("compact", tmp_path / "out", "--older_than", "0s").code == 0
    assert "nothing was changed" in _run(tmp_path).err
    write_events(tmp_path / "in" / "c.jsonl", 10, 5)
    said = _run(tmp_path)
    assert said.code == 0, said.err
    assert "skipped 2 files" in said.err
    assert ids() == _numbers(15)


def test_a_run_searches_its_inputs_once_and_reads_each_manifest_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 5)
    assert _run(tmp_path).code == 0
    (manifest,) = (tmp_path / "out" / "_manifest").iterdir()
    write_events(tmp_path / "in" / "b.jsonl", 5, 5)
    steps: list[str] = []
    real_match, real_read = filesystem.match, read_bytes

    def match(pattern: str) -> filesystem.Matched:
        steps.append(pattern)
        return real_match(pattern)

    def read(path: str) -> bytes:
        steps.append(path)
        return real_read(path)

    monkeypatch.setattr(filesystem, "match", match)
    monkeypatch.setattr("transforms.storage.known_inputs.read_bytes", read)
    assert _run(tmp_path).code == 0
    assert steps.count(f"{tmp_path}/in/*") == 1
    assert steps.count(str(manifest)) == 1


@pytest.mark.parametrize("is_read_by_another", [True, False])
def test_a_file_that_another_run_has_read_meanwhile_is_not_committed_twice(
    tmp_path: Path, ids: Any, monkeypatch: pytest.MonkeyPatch, is_read_by_another: bool
) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 5)
    assert _run(tmp_path).code == 0
    write_events(tmp_path / "in" / "b.jsonl", 5, 5)
    real_read = filesystem.open_for_reading
    others = iter([f"{tmp_path}/in/*" if is_read_by_another else f"{tmp_path}/in/a.jsonl"])

    def run_another_first(path: str) -> BinaryIO:
        if path.endswith("b.jsonl") and (other := next(others, None)):
            where = ("--input", other, "--output", f"{tmp_path}/out")
            assert run(*where, "--write_mode", "append", "--skip_read").code == 0
        return real_read(path)

    monkeypatch.setattr(filesystem, "open_for_reading", run_another_first)
    said = _run(tmp_path)
    assert said.code == (5 if is_read_by_another else 0), said.err
    assert ids() == _numbers(10)


def test_validate_counts_the_skipped_files(tmp_path: Path) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 3)
    assert _run(tmp_path).code == 0
    where = ("--input", f"{tmp_path}/in/*", "--output", f"{tmp_path}/out")
    said = job_status("validate", *where, "--write_mode", "append", "--skip_read")
    assert "input: 0 files, 0.0 MB, 1 skipped" in said.out


def test_skip_read_needs_the_mode_append(tmp_path: Path) -> None:
    said = run("--input", "x", "--output", tmp_path, "--skip_read")
    assert_clear_error(said, 2, "--skip_read needs --write_mode append")


def test_ten_thousand_unchanged_files_are_skipped_unopened_in_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for number in range(10_000):
        (inputs / f"{number}.jsonl").touch()
    ledger = Ledger(
        inputs={
            path: InputLedger(size, 0, modified_ns=modified_ns)
            for path, size, modified_ns in match_files([f"{inputs}/*"]).files
        }
    )
    commit(settings(str(tmp_path / "out"), "first"), ledger)

    def refuse(path: str) -> NoReturn:
        raise AssertionError(f"{path} was opened")

    real_open = filesystem.open_for_reading
    monkeypatch.setattr(
        filesystem,
        "open_for_reading",
        lambda path: refuse(path) if path.startswith(str(inputs)) else real_open(path),
    )
    # Not the time on the clock: other tests run at the same time.
    started = time.process_time()
    said = _run(tmp_path)
    assert "skipped 10,000 files" in said.err and said.code == 0, said.err
    assert time.process_time() - started < 5
