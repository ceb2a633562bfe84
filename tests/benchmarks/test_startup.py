"""The benchmark of the start-up measures runs beside the import of Beam."""

from __future__ import annotations

import re

import pytest

from benchmarks.measure import Usage
from benchmarks.startup import ROOT, main, starts, table


def test_the_table_has_medians_and_subtracts_the_import() -> None:
    imports = [Usage(2.0, seconds, 1_000_000, 1_000_000) for seconds in (1.0, 1.25, 9.0)]
    runs = [Usage(3.0, seconds, 2_000_000, 2_000_000) for seconds in (1.5, 1.75, 1.0)]
    assert table(starts([]), [imports, runs]).splitlines()[2:] == [
        "| import apache_beam | 1.25 | +0.00 | 2.00 | 1 |",
        f"| a run, {ROOT.name} | 1.50 | +0.25 | 3.00 | 2 |",
    ]


def test_the_command_measures_each_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--runs", "1", str(ROOT)])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [re.sub(r"\|.*", "", row[2:]).strip() for row in rows] == [
        "import apache_beam",
        *[f"a run, {ROOT.name}"] * 2,
    ]
