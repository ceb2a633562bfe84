"""The benchmark of a compaction checks that nothing is lost."""

from __future__ import annotations

import pytest

from benchmarks.compaction import main


def test_panes_with_duplicates_become_few_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--events", "4000", "--panes", "8"]) == 0
    row, before, after = capsys.readouterr().out.splitlines()
    assert row.startswith("| 4,000 | 8 | 2,")
    assert "records=4000, files=8" in before
    assert before.split("distinct=")[1] == after.split("distinct=")[1]
