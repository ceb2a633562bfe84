"""A shell completes commands, options and their values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.command import job_status


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("job-status ma", "mapping"),
        ("job-status run --write", "--write_mode"),
        ("job-status run --codec d", "deflate"),
        ("job-status mapping sugg", "suggest"),
        ("job-status dead-letters --show", "--show_payload"),
    ],
)
def test_bash_completes_a_word(tmp_path: Path, words: str, completed: str) -> None:
    script = tmp_path / "job-status.bash"
    script.write_text(job_status("completion", "bash").out)
    line = f"source {script}; COMP_WORDS=({words}); COMP_CWORD={words.count(' ')}; "
    line += "_shtab_job_status; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [completed]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_a_script(shell: str) -> None:
    said = job_status("completion", shell)
    assert said.code == 0
    assert "job-status" in said.out
