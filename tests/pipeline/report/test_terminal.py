"""No text can control the terminal: not from a file name, a mapping or the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipeline.report.terminal import SafeConsole
from tests.pipeline.command import job_status

EVIL = "\x1b]0;title\x07\u202e"


def test_control_characters_are_shown_as_escape_sequences_and_line_ends_are_kept() -> None:
    file = io.StringIO()
    SafeConsole(file=file, force_terminal=True, color_system=None).print(f"[bold]{EVIL}[/]\nnext")
    assert file.getvalue() == "\\x1b]0;title\\x07\\u202e\nnext\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--input", f"{EVIL}.jsonl", "--output", "out"],
        ["run", "--input", "mapping.yaml", "--output", "out", "--mapping", f"{EVIL}.yaml"],
        ["run", EVIL],
        [EVIL],
        ["validate", "--input", f"{EVIL}.jsonl", "--output", "out"],
        ["inspect", EVIL],
        ["dead-letters", EVIL],
        ["mapping", "lint", f"{EVIL}.yaml"],
        ["mapping", "lint", "mapping.yaml"],
        ["mapping", "print", "--mapping", "good.yaml"],
        ["mapping", "explain", "--mapping", "good.yaml", "--provider", EVIL, EVIL],
        ["mapping", "suggest", EVIL],
        ["schema", "check", EVIL],
    ],
)
def test_no_command_prints_a_control_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    key = '"\\e]0;title\\a\\u202e"'
    Path("mapping.yaml").write_text(f"{key}: 1\nlabels:\n  {key}: [x]\nproviders: {{{key}: 3}}\n")
    Path("good.yaml").write_text(f"labels: {{open: [{key}]}}\nproviders:\n  {key}: {{}}\n")
    said = job_status(*arguments)
    text = said.out + said.err
    assert text and all(character.isprintable() or character == "\n" for character in text)
