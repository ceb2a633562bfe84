"""The benchmark of NormalizeJobStatus runs and prints its cost."""

from __future__ import annotations

import re

import pytest

from benchmarks.normalize import main


def test_the_cost_is_the_difference_of_both_pipelines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--events", "200", "--runs", "1"]) == 0
    costs = [float(each) for each in re.findall(r"(-?\d+\.\d+) µs", capsys.readouterr().out)]
    assert costs[2] == pytest.approx(costs[0] - costs[1], abs=0.02)
