"""Large inputs: what a run may take in time and memory, measured on the real process."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import records_of
from tests.faults.outcome import GOOD

MB = 1_000_000


class Cost(NamedTuple):
    """What a process took."""

    code: int
    cpu_seconds: float
    peak_bytes: int


_MEASURED = """\
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)
"""


def _cost_of_run(*arguments: str | Path) -> Cost:
    """Runs the command in a process of its own; its CPU time is what a quiet machine would take."""
    command = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "pipeline"]
    said = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=300,
    )
    code, cpu, peak = said.stdout.split()
    return Cost(int(code), float(cpu), int(peak))


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory) -> Cost:
    """The cost of a run of one event: by far the most of it is the start of the command."""
    directory = tmp_path_factory.mktemp("least")
    (directory / "in.jsonl").write_bytes(GOOD)
    return _cost_of_run("--input", directory / "in.jsonl", "--output", directory / "out")


def _long_line(start: bytes, size: int, end: bytes) -> bytes:
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("packed", [False, True])
def test_row_8_a_line_of_100_mb_is_one_dead_letter_with_its_head(
    tmp_path: Path, packed: bool, least: Cost
) -> None:
    line = _long_line(b'{"id":"2","title":"', 100 * MB, b'"}')
    content = b"\n".join([GOOD, line, GOOD])
    path = tmp_path / ("in.jsonl.gz" if packed else "in.jsonl")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    cost = _cost_of_run("--input", path, "--output", tmp_path / "out")
    assert cost.code == 0
    # 1.7 s where the least is 1.5 s; ten seconds are promised there.
    assert cost.cpu_seconds < 4 * least.cpu_seconds
    assert cost.peak_bytes < 500 * MB
    assert len(records_of(tmp_path / "out")) == 2
    (letter,) = records_of(tmp_path / "out", "dead_letter")
    assert letter["error_code"] == "TOO_LARGE"
    assert (letter["payload_size"], letter["payload_truncated"]) == (100 * MB, True)
    assert letter["payload_sha256"] == hashlib.sha256(line).hexdigest()
    assert line.startswith(letter["payload"]) and 0 < len(letter["payload"]) <= 64 << 10


@pytest.mark.parametrize("line_end", [b"\n", b""], ids=["short lines", "an endless line"])
def test_row_26_a_gzip_bomb_takes_no_more_memory_than_other_input(
    tmp_path: Path, line_end: bytes
) -> None:
    payload = b'{"event":"hris.x","event_data":{"title":"' + b"x" * 100_000 + b'"}}' + line_end
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(4_000):
            file.write(payload)
    assert path.stat().st_size < 4 * MB
    cost = _cost_of_run("--input", path, "--output", tmp_path / "out")
    assert cost.code == 0
    assert cost.peak_bytes < 500 * MB


def test_time_is_linear_in_the_length_of_a_line(tmp_path: Path, least: Cost) -> None:
    costs = []
    for size in (50 * MB, 200 * MB):
        path = tmp_path / "in.jsonl"
        path.write_bytes(_long_line(b'{"id":"', size, b'"}'))
        arguments = ("--input", path, "--output", tmp_path / f"out{size}")
        costs.append(_cost_of_run(*arguments).cpu_seconds)
    # 0.4 s where the least is 1.5 s; a square would make it 2.6 s.
    assert costs[1] - costs[0] < least.cpu_seconds
