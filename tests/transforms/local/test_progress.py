"""Each worker reports its progress in its own file, and errors with these files are ignored."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.pubsub import wait_for
from transforms.local.progress import Progress, report_progress, total_progress


def test_the_progress_of_several_processes_adds_up(tmp_path: Path) -> None:
    code = (
        "import sys; from transforms.local.progress import Progress, report_progress;"
        "report_progress(sys.argv[1], Progress(bytes=5, read=2))"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    report_progress(str(tmp_path), Progress(bytes=100, dead_lettered=1))
    assert total_progress(str(tmp_path)) == Progress(bytes=110, read=4, dead_lettered=1)


def test_frequent_reports_are_written_at_most_every_quarter_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("transforms.local.progress.time.monotonic", lambda: now[0])
    seen = []
    for _ in range(9):
        report_progress(str(tmp_path), Progress(read=1))
        seen.append(total_progress(str(tmp_path)).read)
        now[0] += 0.1
    assert seen == [1, 1, 1, 4, 4, 4, 7, 7, 7]


def test_the_last_report_is_written_although_no_other_follows(tmp_path: Path) -> None:
    for _ in range(2):
        report_progress(str(tmp_path), Progress(read=1))
    assert wait_for(lambda: total_progress(str(tmp_path)).read == 2, 10)


def test_the_last_of_two_commits_counts() -> None:
    total = Progress(commits=1, committed_at=7.0)
    total.add(Progress(commits=1, committed_at=5.0))
    assert (total.commits, total.committed_at) == (2, 7.0)


def test_a_block_is_held_until_it_is_acknowledged() -> None:
    total = Progress()
    for held in ({1: 1}, {2: 1}, {1: 1}, {1: -2}):
        total.add(Progress(held=held))
    assert total.held == {2: 1}


def test_a_missing_directory_is_not_an_error(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    report_progress(str(directory), Progress(read=1))
    assert total_progress(str(directory)) == Progress()


def test_an_unreadable_file_is_skipped(tmp_path: Path) -> None:
    report_progress(str(tmp_path), Progress(read=3))
    (tmp_path / "1.progress").write_bytes(b"\xc1")
    (tmp_path / "2.progress").write_bytes(msgspec.msgpack.encode(Progress(read=4))[:-1])
    (tmp_path / "3.progress.part").write_bytes(msgspec.msgpack.encode(Progress(read=4)))
    assert total_progress(str(tmp_path)).read == 3
    shutil.rmtree(tmp_path)
