"""A result that stdout cannot hold is an error; a message that stderr cannot hold is not."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.command import visible, write_events

ROOT = Path(__file__).parents[3]


class Broken(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, error: int) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise OSError(self.error, os.strerror(self.error))


def _command(*arguments: str | Path, **streams: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from pipeline.entry import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    buffered = {name: each for name, each in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, text=True, cwd=ROOT, env=buffered, **streams)  # type: ignore[call-overload]


@pytest.mark.parametrize("arguments", [["help"], ["mapping", "print"], ["run", "--help"]])
def test_a_full_disk_under_stdout_is_an_output_error(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = _command(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5
    first, *others = done.stderr.splitlines()
    assert first == "error: cannot write the result to stdout: No space left on device"
    assert len(others) == 1


def test_a_closed_stdout_is_an_output_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["mapping", "print"]) == 5
    assert "cannot write the result to stdout: it is closed" in capsys.readouterr().err


def test_a_reader_that_has_ended_is_no_error_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(errno.EPIPE))
    assert main(["mapping", "print"]) == 1
    assert capsys.readouterr().err == ""


def test_a_character_that_stdout_cannot_encode_becomes_an_escape_sequence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data, encoding="ascii"))
    assert main(["mapping", "explain", "été"]) == 0
    assert b'source_value: "\\xe9t\\xe9"' in data.getvalue()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EPIPE])
def test_a_run_does_not_depend_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    events = write_events(tmp_path / "events.jsonl", 0, 3)
    monkeypatch.setattr(sys, "stderr", Broken(error))
    assert main(["run", "--input", str(events), "--output", str(tmp_path / "out")]) == 0
    assert len(visible(tmp_path / "out")) == 2


def test_a_full_disk_under_stderr_does_not_change_the_exit_code(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        assert _command("run", "--input", "none", "--output", tmp_path, stderr=full).returncode == 3
