"""Large inputs: the time and the memory of a run, measured on the real process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from isal import igzip

from tests.conftest import records_of
from tests.faults.outcome import GOOD
from tests.pipeline.command import run
from transforms.read.limits import MB


class Cost(NamedTuple):
    """The cost of a process."""

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
    """Runs the command in a process of its own; other work of the machine does not count."""
    command = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "pipeline"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=300,
    )
    code, cpu, peak = done.stdout.split()
    return Cost(int(code), float(cpu), int(peak))


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory) -> Cost:
    """The cost of a run of one event; the start of the command is most of it."""
    directory = tmp_path_factory.mktemp("least")
    (directory / "in.jsonl").write_bytes(GOOD)
    return _cost_of_run("--input", directory / "in.jsonl", "--output", directory / "out")


def _long_line(start: bytes, size: int, end: bytes) -> bytes:
    return start + b"x" * (size - len(start) - len(end)) + end


def test_a_line_of_100_mb_is_one_dead_letter_with_its_head(tmp_path: Path, least: Cost) -> None:
    line = _long_line(b'{"id":"2","title":"', 100 * MB, b'"}')
    content = b"\n".join([GOOD, line, GOOD])
    paths = [tmp_path / "in.jsonl", tmp_path / "in.jsonl.gz"]
    paths[0].write_bytes(content)
    paths[1].write_bytes(igzip.compress(content))
    cost = _cost_of_run("--input", tmp_path / "in.*", "--output", tmp_path / "out")
    assert cost.code == 0
    # Each of them took 1.7 s where the least is 1.5 s; ten seconds are promised there.
    assert cost.cpu_seconds < 4 * least.cpu_seconds
    assert cost.peak_bytes < 500 * MB
    for path in paths:
        written, dead = (
            [each for each in records if each["source"] == str(path)]
            for records in (
                records_of(tmp_path / "out"),
                records_of(tmp_path / "out", "dead_letter"),
            )
        )
        assert len(written) == 2
        (letter,) = dead
        assert letter["error_code"] == "TOO_LARGE"
        assert (letter["payload_size"], letter["payload_truncated"]) == (100 * MB, True)
        assert letter["payload_sha256"] == hashlib.sha256(line).hexdigest()
        assert line.startswith(letter["payload"]) and 0 < len(letter["payload"]) <= 64 << 10


def test_a_gzip_bomb_needs_no_more_memory_than_other_input(tmp_path: Path) -> None:
    payload = b'{"event":"hris.x","event_data":{"title":"' + b"x" * 100_000 + b'"}}'
    for name, line_end in (("short lines", b"\n"), ("an endless line", b"")):
        path = tmp_path / f"{name}.jsonl.gz"
        with igzip.open(path, "wb") as file:
            for _ in range(4_000):
                file.write(payload + line_end)
        assert path.stat().st_size < 4 * MB
    cost = _cost_of_run("--input", tmp_path / "*.gz", "--output", tmp_path / "out")
    # The endless line is a dead letter, and all other events are ignored.
    assert cost.code == 4
    assert cost.peak_bytes < 500 * MB


def test_time_is_linear_in_the_length_of_a_line(tmp_path: Path, least: Cost) -> None:
    seconds = []
    for size in (50 * MB, 200 * MB):
        path = tmp_path / "in.jsonl"
        path.write_bytes(_long_line(b'{"id":"', size, b'"}'))
        start = time.process_time()
        assert run("--input", path, "--output", tmp_path / f"out{size}").code == 4
        seconds.append(time.process_time() - start)
    # 0.4 s where the least is 1.5 s; quadratic time would make it 2.6 s.
    assert seconds[1] - seconds[0] < least.cpu_seconds
