"""The comparison finds differences of outputs and computes its figures correctly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import fastavro
import pytest

from benchmarks import compare
from benchmarks.compare import DifferenceError, Measured, check_equal, contenders_of
from benchmarks.contenders import Contender
from benchmarks.content import Content, content_of
from benchmarks.figures import figures_of, table
from benchmarks.measure import CommandError, Usage, measure

_DEFLATE = frozenset({"deflate"})
_SCHEMA = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "number", "type": "int"},
        {"name": "source_offset", "type": "int"},
    ],
}


def _write(path: Path, numbers: list[int], offset: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"number": number, "source_offset": offset} for number in numbers]
    with path.open("wb") as file:
        fastavro.writer(file, _SCHEMA, records, codec="deflate")


def test_the_digest_ignores_the_order_the_files_and_the_origin_of_records(tmp_path: Path) -> None:
    _write(tmp_path / "one" / "all.avro", [1, 2, 3])
    _write(tmp_path / "two" / "some.avro", [3, 1], offset=8)
    _write(tmp_path / "two" / "rest.avro", [2], offset=9)
    one, two = content_of(tmp_path / "one"), content_of(tmp_path / "two")
    assert (one.records, one.digest, one.codecs) == (3, two.digest, _DEFLATE)


@pytest.mark.parametrize("numbers", [[1, 2, 4], [1, 2], [1, 2, 3, 3]])
def test_the_digest_depends_on_the_records(tmp_path: Path, numbers: list[int]) -> None:
    _write(tmp_path / "one" / "all.avro", [1, 2, 3])
    _write(tmp_path / "two" / "all.avro", numbers)
    assert content_of(tmp_path / "one").digest != content_of(tmp_path / "two").digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Content(9, "same", "coarse", 1, _DEFLATE), "wrote 9 of 10 events"),
        (Content(10, "other", "coarse", 1, _DEFLATE), "wrote other records than"),
        (Content(10, "same", "coarse", 1, frozenset({"null"})), "wrote with the codec null"),
    ],
)
def test_a_contender_with_another_output_is_an_error(content: Content, message: str) -> None:
    first = Measured(
        Contender("x", "one", ()), contents={10: Content(10, "same", "coarse", 1, _DEFLATE)}
    )
    second = Measured(Contender("y", "two", ()), contents={10: content})
    check_equal([first, first])
    with pytest.raises(DifferenceError, match=message):
        check_equal([first, second])


@pytest.mark.parametrize(("coarse", "differs"), [("coarse", False), ("other", True)])
def test_an_inexact_contender_has_to_keep_all_but_some_fields(coarse: str, differs: bool) -> None:
    content = Content(10, "same", "coarse", 1, _DEFLATE)
    first = Measured(Contender("x", "one", ()), contents={10: content})
    inexact = Contender("y", "two", (), is_exact=False)
    other = Content(10, "other", coarse, 1, frozenset({"parquet"}))
    second = Measured(inexact, contents={10: other})
    with pytest.raises(DifferenceError, match="other records") if differs else nullcontext():
        check_equal([first, second])


def test_records_that_an_inexact_contender_has_lost_are_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = Measured(Contender("x", "one", ()), {}, {10: Content(10, "a", "a", 1, _DEFLATE)})
    lossy = Contender("y", "two", (), is_exact=False)
    check_equal([first, Measured(lossy, {}, {10: Content(9, "b", "b", 1, _DEFLATE)})])
    assert "(y) two wrote 9 of 10 events" in capsys.readouterr().err


def _usage(seconds: float) -> Usage:
    return Usage(seconds, seconds / 2, 1_000_000, 2_000_000)


def test_startup_and_cost_per_event_are_computed_from_the_medians_of_two_sizes() -> None:
    slow = figures_of(
        {100_000: [_usage(4), _usage(3), _usage(99)], 400_000: [_usage(10), _usage(9), _usage(10)]}
    )
    fast = figures_of({100_000: [_usage(3)], 400_000: [_usage(4)]}, slow)
    assert slow.microseconds_per_event == pytest.approx(20)
    assert slow.startup_seconds == pytest.approx(2)
    assert (slow.seconds[400_000].min, slow.seconds[400_000].max) == (9, 10)
    assert fast.startup_seconds == pytest.approx(8 / 3)
    assert fast.startup_cpu_seconds == pytest.approx(4 / 3)
    assert fast.times_as_fast == pytest.approx(2.5)
    assert fast.times_as_fast_per_event == pytest.approx(6)
    assert slow.cpu_microseconds_per_event == pytest.approx(10)
    assert fast.times_as_little_cpu == pytest.approx(6)


def test_the_table_has_no_ratio_if_the_cost_of_an_event_is_not_positive() -> None:
    first = figures_of({1: [_usage(2)], 4: [_usage(1)]})
    assert first.times_as_fast_per_event is None
    assert "| (x) one " in table([("x", "one")], [first], [5_000_000])


# Two processes hold memory at the same time, until a sample has seen both.
_PAIR = """\
import subprocess, sys, time
from pathlib import Path
code = "b = bytearray(150_000_000); print(flush=True); input()"
streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
pair = [subprocess.Popen([sys.executable, "-c", code], **streams) for _ in range(2)]
for each in pair:
    each.stdout.readline()
time.sleep(1)
end = time.monotonic() + 60
while Path("/proc/self/stat").exists() and not Path("seen").exists() and time.monotonic() < end:
    time.sleep(0.01)
for each in pair:
    each.communicate(b"\\n")
"""

# The system counts the memory of the calling process for a process that it starts. This caller is
# small; the process of the tests is not.
_MEASURED = """\
import json, sys
from dataclasses import asdict
from pathlib import Path
from benchmarks import measure

original = measure.resident_bytes

def resident_bytes(session):
    found = original(session)
    if found > 300_000_000:
        Path("seen").touch()
    return found

measure.resident_bytes = resident_bytes
print(json.dumps(asdict(measure.measure([sys.executable, "-c", sys.argv[1]], "."))))
"""


def test_the_memory_of_child_processes_is_counted(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, _PAIR],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(compare.ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    usage = Usage(**json.loads(done.stdout))
    assert 150_000_000 < usage.largest_bytes < 300_000_000
    assert usage.seconds >= 1
    if Path("/proc/self/stat").exists():
        assert usage.total_bytes > 300_000_000


def test_the_error_of_a_failed_command_has_its_output(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"(?s)exit code 3.*no such luck"):
        measure([sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"], tmp_path)


def test_letters_select_contenders_in_their_order() -> None:
    assert [each.letter for each in contenders_of("c, a")] == ["c", "a"]


def test_the_command_prints_a_table_and_writes_every_round(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.compare", "--contenders=b,c", "--events=800"]
    done = subprocess.run(
        [*command, "--runs=2", f"--json={path}"],
        cwd=compare.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("| contender")
    document = json.loads(path.read_text())
    assert [each["letter"] for each in document["contenders"]] == ["b", "c"]
    for each in document["contenders"]:
        assert {count: len(rounds) for count, rounds in each["rounds"].items()} == {
            "200": 2,
            "800": 2,
        }
        assert each["total_bytes"] >= each["largest_bytes"] > 10_000_000
        assert each["output_bytes"]["800"] > each["output_bytes"]["200"] > 0


def test_an_unknown_letter_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        compare.main(["--contenders", "a,z"])
    assert raised.value.code == 2
    assert "no contender 'z'" in capsys.readouterr().err
