"""Workers tell how far they are in files of their own, and nothing that goes wrong there counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from transforms.local.progress import Progress, tell, told


def test_what_several_processes_tell_adds_up(tmp_path: Path) -> None:
    code = (
        "import sys; from transforms.local.progress import Progress, tell;"
        "tell(sys.argv[1], Progress(bytes=5, events=2))"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    tell(str(tmp_path), Progress(bytes=100, dead_letters=1))
    assert told(str(tmp_path)) == Progress(bytes=110, events=4, dead_letters=1)


def test_what_is_told_often_is_written_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("transforms.local.progress.time.monotonic", lambda: now[0])
    seen = []
    for _ in range(9):
        tell(str(tmp_path), Progress(events=1))
        seen.append(told(str(tmp_path)).events)
        now[0] += 0.1
    assert seen == [1, 1, 1, 4, 4, 4, 7, 7, 7]


def test_nobody_to_be_told_is_no_error(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    tell(str(directory), Progress(events=1))
    assert told(str(directory)) == Progress()


def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    tell(str(tmp_path), Progress(events=3))
    (tmp_path / "1.progress").write_bytes(b"\xc1")
    (tmp_path / "2.progress").write_bytes(msgspec.msgpack.encode(Progress(events=4))[:-1])
    (tmp_path / "3.progress.part").write_bytes(msgspec.msgpack.encode(Progress(events=4)))
    assert told(str(tmp_path)).events == 3
    shutil.rmtree(tmp_path)
