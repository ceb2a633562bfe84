"""The benchmark of hostile data measures each kind."""

from __future__ import annotations

import pytest

from benchmarks.hostile import KINDS, main


def test_the_command_measures_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--megabytes", "1", "--runs", "1"]) == 0
    rows = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()]
    assert rows[2:] == [f"| {kind}" for kind in ("ordinary", *KINDS)]
