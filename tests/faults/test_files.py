"""Bad inputs, outputs and options are reported clearly, and nothing else is changed."""

from __future__ import annotations

import json
import os
import random
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import records_of
from tests.faults.outcome import GOOD, assert_clear, run_over, run_over_files
from tests.pipeline.command import assert_clear_error, job_status, run, visible, write_events
from tests.transforms.read.compressed import COMPRESS

pytestmark = pytest.mark.usefixtures("no_sync")


def test_a_pattern_without_files_is_reported(tmp_path: Path) -> None:
    pattern = tmp_path / "none*.jsonl"
    said = run("--input", pattern, "--output", tmp_path / "out")
    assert said.code == 3
    assert_clear(said, pattern, "--allow_no_input")
    said = run("--input", pattern, "--output", tmp_path / "out", "--allow_no_input")
    assert said.code == 0
    assert records_of(tmp_path / "out") == []


def test_input_without_events_gives_a_valid_empty_output(tmp_path: Path) -> None:
    contents = {"empty": b"", "line end": b"\n", "white space": b" \r\n\t\n\n"}
    for name, content in contents.items():
        directory = tmp_path / name
        directory.mkdir()
        found = run_over(directory, content)
        assert found.counts() == {}
        assert any(each.startswith("job_status/") for each in visible(found.output))


def test_byte_order_marks_and_line_ends_change_no_record(tmp_path: Path) -> None:
    marks = {"mark": b"\xef\xbb\xbf", "no mark": b""}
    line_ends = {"lf": b"\n", "crlf": b"\r\n"}
    lasts = {"ended": b"\n", "open": b""}
    cases = {
        f"{mark} {line_end} {last}": (
            marks[mark],
            marks[mark] + GOOD + line_ends[line_end] + GOOD + lasts[last],
        )
        for mark, line_end, last in product(marks, line_ends, lasts)
    }
    found = run_over_files(tmp_path, {name: content for name, (_, content) in cases.items()})
    for name, (mark, _) in cases.items():
        assert found[name].counts() == {"written": 2}
        assert min(each["source_offset"] for each in found[name].written) == len(mark)


def _many() -> bytes:
    chance = random.Random(1)
    return b"".join(
        b'{"id":"%d","title":"%x","job_status":"open"}\n' % (number, chance.getrandbits(256))
        for number in range(1000)
    )


def _assert_refused(tmp_path: Path, damaged: dict[str, bytes]) -> None:
    """Asserts that a run fails, names each file as damaged, and commits nothing."""
    names = list(damaged)
    # An error names three files at most.
    for number in range(0, len(names), 3):
        some = names[number : number + 3]
        directory = tmp_path / f"refused {number}"
        directory.mkdir()
        found = run_over_files(directory, {name: damaged[name] for name in some}, code=3)
        for name in some:
            assert_clear(found[name].said, f"{directory / 'in' / name}: ")
            assert visible(found[name].output) == []


def test_a_truncated_compressed_file_is_never_read_as_a_whole_one(tmp_path: Path) -> None:
    shares = [0.0, 0.01, 0.4, 0.9, 1.0]
    truncated = {}
    for suffix, compress in COMPRESS.items():
        packed = compress(_many())
        for share in shares:
            length = min(round(len(packed) * share), len(packed) - 1)
            truncated[f"{share}.jsonl{suffix}"] = packed[:length]
    _assert_refused(tmp_path, truncated)
    report = tmp_path / "report.json"
    arguments = ("--on_damaged_input", "keep", "--report", str(report))
    found = run_over_files(tmp_path, truncated, *arguments, code=3)
    inputs = {each["path"]: each["damaged"] for each in json.loads(report.read_bytes())["inputs"]}
    assert inputs == {str(tmp_path / "in" / name): True for name in truncated}
    for name, each in found.items():
        assert "20 input(s) damaged" in each.said.err
        assert len(each.written) < 1000 or name.startswith("1.0")
        assert len(each.dead) <= 1


def test_a_damaged_file_that_is_kept_is_named(tmp_path: Path) -> None:
    truncated = COMPRESS[".gz"](_many())[:-1]
    arguments = ("--on_damaged_input", "keep")
    found = run_over(tmp_path, truncated, *arguments, name="in.jsonl.gz", code=3)
    assert "damaged" in found.said.err and "in.jsonl.gz" in found.said.err


def test_a_plain_or_corrupt_file_with_a_compressed_name_is_refused(tmp_path: Path) -> None:
    damaged = {}
    for suffix, compress in COMPRESS.items():
        packed = bytearray(compress(_many()))
        packed[len(packed) // 2] ^= 0xFF
        damaged[f"plain.jsonl{suffix}"] = GOOD
        damaged[f"corrupt.jsonl{suffix}"] = bytes(packed)
    _assert_refused(tmp_path, damaged)


def test_a_file_that_is_not_json_is_refused_with_its_format(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_bytes((GOOD + b"\n").decode().encode("utf-16"))
    said = run("--input", path, "--output", tmp_path / "out")
    assert said.code == 3
    assert_clear(said, path, "UTF-16 text", "iconv")
    assert not visible(tmp_path / "out")


def test_a_file_that_is_not_json_does_not_stop_the_others_with_keep(tmp_path: Path) -> None:
    contents = {"jobs.csv": b"id,status\n1,open\n", "jobs.jsonl": GOOD}
    found = run_over_files(tmp_path, contents, "--on_damaged_input", "keep", code=3)
    assert found["jobs.jsonl"].counts() == {"written": 1}
    assert found["jobs.csv"].counts() == {}


def test_all_members_of_a_compressed_file_are_read(tmp_path: Path) -> None:
    contents = {
        f"in{suffix}": pack(GOOD + b"\n" + GOOD[:7]) + pack(b"") + pack(GOOD[7:] + b"\n")
        for suffix, pack in COMPRESS.items()
    }
    for found in run_over_files(tmp_path, contents).values():
        assert found.counts() == {"written": 2}


def _loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


def test_an_impossible_output_is_reported_before_anything_is_read(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1)
    (tmp_path / "plain").write_bytes(b"")
    for output in (tmp_path / "plain" / "out", _loop(tmp_path / "loop") / "out"):
        said = run("--input", path, "--output", output)
        assert said.code == 5
        assert_clear(said, output)


def test_a_missing_output_directory_is_created(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1)
    assert run("--input", path, "--output", tmp_path / "a" / "b" / "c").code == 0
    assert len(records_of(tmp_path / "a" / "b" / "c")) == 1


def test_a_directory_that_matches_is_skipped_and_reported(tmp_path: Path) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 1)
    (tmp_path / "in" / "sub").mkdir()
    said = run("--input", tmp_path / "in" / "*", "--output", tmp_path / "out")
    assert said.code == 0
    assert f"skipped {tmp_path}/in/sub" in said.err


def test_an_input_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    path = _loop(tmp_path / "loop.jsonl")
    said = run("--input", path, "--output", tmp_path / "out")
    assert said.code == 3
    assert_clear(said, path)


any_bytes_in_names = pytest.mark.skipif(
    sys.platform != "linux", reason="the filesystem accepts only names that are text"
)


def _not_utf8(directory: Path, name: bytes) -> str:
    return os.fsdecode(os.fsencode(directory) + b"/" + name)


@any_bytes_in_names
@pytest.mark.parametrize("command", ["run", "validate"])
@pytest.mark.parametrize("pattern", ["*.jsonl", "b\udcff.jsonl", "none\udcff*"])
def test_an_input_whose_path_is_not_utf8_is_refused_before_anything_is_read(
    tmp_path: Path, command: str, pattern: str
) -> None:
    write_events(tmp_path / "in" / "a.jsonl", 0, 1)
    write_events(Path(_not_utf8(tmp_path / "in", b"b\xff.jsonl")), 1, 1)
    options = ("--input", tmp_path / "in" / pattern, "--output", tmp_path / "out")
    said = job_status(command, *options, "--allow_no_input")
    assert said.code == 3, said.err
    shown = pattern.replace("\udcff", "\\xff").replace("*.jsonl", "b\\xff.jsonl")
    message = f"the path {tmp_path}/in/{shown} is not UTF-8"
    assert message in (said.out if command == "validate" else said.err)
    assert not (tmp_path / "out").exists()


@any_bytes_in_names
@pytest.mark.parametrize(
    "option", ["--output", "--dead_letter_output", "--mapping", "--accounts", "--report"]
)
def test_an_option_whose_path_is_not_utf8_is_refused(tmp_path: Path, option: str) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1)
    named = write_events(Path(_not_utf8(tmp_path, b"x\xff.json")), 0, 1)
    options = {"--output": tmp_path / "out", option: named}
    said = run("--input", path, *(each for pair in options.items() for each in pair))
    assert_clear_error(said, 2, f"the path {tmp_path}/x\\xff.json is not UTF-8", "rename")
    assert not (tmp_path / "out").exists()


@any_bytes_in_names
def test_an_output_whose_path_is_not_utf8_can_only_be_looked_at(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1, bad=1)
    assert run("--input", path, "--output", tmp_path / "out").code == 0
    moved = (tmp_path / "out").rename(_not_utf8(tmp_path, b"out\xff"))
    before = visible(moved)
    refusal = f"the path {tmp_path}/out\\xff"
    assert_clear_error(job_status("replay", moved, "--output", tmp_path / "again"), 3, refusal)
    assert_clear_error(job_status("compact", moved, "--older_than", "0s"), 2, refusal)
    assert visible(moved) == before
    assert job_status("inspect", moved).code == 0
    assert job_status("dead-letters", moved).code == 0


@pytest.mark.parametrize(
    ("flag", "meant"),
    [("--outptu", "--output"), ("--max_event_byte", "--max_event_bytes"), ("--runer", "--runner")],
)
def test_a_misspelt_option_is_reported_with_the_nearest_option(
    tmp_path: Path, flag: str, meant: str
) -> None:
    said = run("--input", tmp_path, "--output", tmp_path, f"{flag}=5")
    assert said.code == 2
    assert_clear(said, flag, f"did you mean {meant}?")


def test_an_unknown_option_is_reported(tmp_path: Path) -> None:
    said = run("--input", tmp_path, "--output", tmp_path, "--zzzzzzzz")
    assert said.code == 2
    assert_clear(said, "--zzzzzzzz")


def test_a_document_over_the_limit_is_refused_with_its_option(tmp_path: Path) -> None:
    content = b'[\n{"id":"1"},\n' + b" " * 5000 + b'{"id":"2"}\n]'
    found = run_over(tmp_path, content, "--max_document_bytes", "4000", code=3)
    assert_clear(found.said, tmp_path / "in.jsonl", "--max_document_bytes")
    assert visible(found.output) == []
