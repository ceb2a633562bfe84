"""`job-status run` writes validated Avro and an exact report, or commits nothing."""

from __future__ import annotations

import functools
import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import pytest
from avro.datafile import DataFileReader
from avro.io import DatumReader

import pipeline.graph
import transforms.parse.parse_events
import transforms.read.compression
import transforms.read.lines
import transforms.read.read_files
from pipeline.sample.write import SampleCounts, write_samples
from schemas.avro import record_schema
from schemas.errors import OutputError
from schemas.version import PIPELINE_VERSION
from tests.conftest import ReadRecords, Records, records_of
from tests.pipeline.command import Said, as_counter, job_status, run, visible, write_events
from tests.streaming.command import on_prism
from transforms.blocks.block import EncodedBlock, RawBlock
from transforms.read.limits import ReadLimits
from transforms.read.ranges import FileRange, split_file
from transforms.read.read_files import ReadFiles
from transforms.storage import filesystem, output_mark
from transforms.write.stager import Stager

pytestmark = pytest.mark.usefixtures("no_sync")

BEAM_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


class Samples(NamedTuple):
    """Files of every format, and the counts of their events."""

    directory: Path
    counts: SampleCounts

    @property
    def pattern(self) -> str:
        """Returns a pattern that matches all files."""
        return f"{self.directory}/*"

    def error_codes(self) -> dict[str, int]:
        """Returns the expected dead letters by error code."""
        return dict(sum((file.error_codes for file in self.counts.files), Counter[str]()))

    def ignored_types(self) -> dict[str, int]:
        """Returns the expected ignored events by type."""
        return dict(sum((file.ignored_types for file in self.counts.files), Counter[str]()))


class Ran(NamedTuple):
    """The result of a run over the samples."""

    said: Said
    output: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """420 payloads in every format, one in twenty bad."""
    directory = tmp_path_factory.mktemp("samples")
    counts = write_samples(str(directory), events=420, seed=1, bad_fraction=0.05, shapes="all")
    return Samples(directory, counts)


@pytest.fixture(scope="module")
def ran(samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One run over all samples."""
    output = tmp_path_factory.mktemp("ran") / "out"
    report = output.parent / "report.json"
    said = run("--input", samples.pattern, "--output", output, "--report", report, "--run_id", "r1")
    return Ran(said, output, json.loads(report.read_bytes()))


def _manifests(output: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((output / "_manifest").iterdir())]


def test_the_report_has_the_counts_of_the_samples(samples: Samples, ran: Ran) -> None:
    assert ran.said.code == 0
    counts = samples.counts
    report = ran.report
    assert (report["read"], report["written"], report["dead_lettered"], report["ignored"]) == (
        (counts.read, counts.events, counts.bad, counts.ignored)
    )
    assert report["by_error_code"] == samples.error_codes()
    assert report["ignored_by_type"] == samples.ignored_types()
    assert report["conserved"] is True


def test_each_file_gives_its_events_and_dead_letters(
    samples: Samples, ran: Ran, read_records: ReadRecords
) -> None:
    written = Counter(Path(each["source"]).name for each in read_records(ran.output))
    assert written == Counter({file.name: file.events for file in samples.counts.files})
    dead = Counter(
        (Path(each["source"]).name, each["error_code"])
        for each in read_records(ran.output, "dead_letter")
    )
    assert dead == Counter(
        {
            (file.name, code): count
            for file in samples.counts.files
            for code, count in file.error_codes.items()
        }
    )


def _counted(records: Records, field: Callable[[dict[str, Any]], str | None]) -> dict[str, int]:
    return dict(Counter(field(record) or "null" for record in records))


def test_the_report_has_the_counts_of_the_records(ran: Ran, read_records: ReadRecords) -> None:
    records = read_records(ran.output)
    status = [record["job_status"] for record in records]
    report = ran.report
    assert report["written"] == len(records)
    assert report["by_record_type"] == _counted(records, lambda each: each["record_type"])
    assert report["by_value"] == _counted(status, lambda each: each["value"])
    assert report["by_source_value_type"] == _counted(
        status, lambda each: each["source_value_type"]
    )
    assert report["by_derivation"] == _counted(status, lambda each: each["derivation"])
    letters = read_records(ran.output, "dead_letter")
    assert report["dead_lettered"] == len(letters)
    assert report["by_error_code"] == _counted(letters, lambda each: each["error_code"])
    unmapped = [each for each in status if each["derivation"] == "unmapped"]
    assert 0 < sum(row["count"] for row in report["unmapped"]) <= len(unmapped)
    counts = [row["count"] for row in report["unmapped"]]
    assert counts == sorted(counts, reverse=True)


def test_the_report_and_the_manifest_are_equal_except_for_paths(ran: Ran) -> None:
    (manifest,) = _manifests(ran.output)
    assert list(manifest) == list(ran.report)
    assert {"run_id", "read", "conserved", "by_value", "unmapped", "inputs", "files"} <= set(
        manifest
    )
    assert ran.report["duration_seconds"] > 0
    assert ran.report["events_per_second"] > 0
    for key in manifest:
        if key != "files":
            assert manifest[key] == ran.report[key]


def test_the_files_of_the_report_have_its_sizes_and_records(ran: Ran) -> None:
    files = ran.report["files"]
    assert {each["output"] for each in files} == {"job_status", "dead_letter"}
    for each in files:
        data = Path(each["path"]).read_bytes()
        assert len(data) == each["bytes"]
        with open(each["path"], "rb") as file:
            assert len(list(fastavro.reader(file))) == each["records"]
    assert visible(ran.output) == sorted(
        [*(str(Path(each["path"]).relative_to(ran.output)) for each in files), "_manifest/r1.json"]
    )


def test_the_paths_of_the_manifest_are_relative_to_the_output(ran: Ran) -> None:
    (manifest,) = _manifests(ran.output)
    assert all((ran.output / each["path"]).is_file() for each in manifest["files"])
    assert not any(each["path"].startswith("/") for each in manifest["files"])


def test_the_report_lists_each_input_with_its_size_and_time(samples: Samples, ran: Ran) -> None:
    assert ran.report["inputs"] == [
        {
            "path": str(path),
            "bytes": path.stat().st_size,
            "damaged": False,
            "modified_ns": path.stat().st_mtime_ns,
        }
        for path in sorted(samples.directory.iterdir())
    ]


def test_the_metadata_of_files_name_the_run_the_schema_and_the_mapping(ran: Ran) -> None:
    for name in ("job_status", "dead_letter"):
        schema = record_schema("job_status_event" if name == "job_status" else "dead_letter")
        for path in (ran.output / name).iterdir():
            with path.open("rb") as file:
                metadata = fastavro.reader(file).metadata
            assert metadata["job_status.run_id"] == "r1"
            assert metadata["job_status.pipeline_version"] == PIPELINE_VERSION
            assert metadata["job_status.schema_fingerprint"] == schema.fingerprint
            assert metadata["job_status.mapping_fingerprint"] == ran.report["mapping_fingerprint"]


def _in_utc(value: Any) -> Any:
    """Returns datetimes in UTC without a zone, because some readers drop the zone."""
    if isinstance(value, dict):
        return {key: _in_utc(each) for key, each in value.items()}
    if isinstance(value, datetime):
        return (
            value if value.tzinfo is None else value.astimezone(timezone.utc).replace(tzinfo=None)
        )
    return value


@pytest.mark.parametrize("name", ["job_status", "dead_letter"])
def test_apache_avro_reads_the_same_values(ran: Ran, read_records: ReadRecords, name: str) -> None:
    records: list[Any] = []
    for path in sorted((ran.output / name).iterdir()):
        with path.open("rb") as file, DataFileReader(file, DatumReader()) as reader:
            records += list(reader)
    assert _in_utc_all(records) == _in_utc_all(read_records(ran.output, name))


@pytest.mark.needs("polars")
@pytest.mark.parametrize("name", ["job_status", "dead_letter"])
def test_polars_reads_the_same_values(ran: Ran, read_records: ReadRecords, name: str) -> None:
    import polars

    records: list[Any] = []
    for path in sorted((ran.output / name).iterdir()):
        records += polars.read_avro(path).to_dicts()
    assert _in_utc_all(records) == _in_utc_all(read_records(ran.output, name))


def _in_utc_all(records: list[Any]) -> list[Any]:
    return [_in_utc(record) for record in records]


@pytest.fixture(scope="module")
def expected(ran: Ran) -> tuple[Counter[str], Counter[str]]:
    """The records and the dead letters of the run as multisets."""
    return (
        as_counter(records_of(ran.output)),
        as_counter(records_of(ran.output, "dead_letter")),
    )


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param(lambda: ("--runner=BundleBasedDirectRunner",), id="BundleBasedDirectRunner"),
        pytest.param(lambda: ("--runner=DirectRunner",), id="DirectRunner"),
        pytest.param(lambda: BEAM_WORKERS, id="two worker processes"),
        pytest.param(on_prism, id="Prism", marks=pytest.mark.needs("prism")),
    ],
)
def test_every_local_runner_gives_the_same_records(
    samples: Samples,
    expected: tuple[Counter[str], Counter[str]],
    read_records: ReadRecords,
    tmp_path: Path,
    runner: Callable[[], tuple[str, ...]],
) -> None:
    said = run("--input", samples.pattern, "--output", tmp_path, *runner())
    assert said.code == 0, said.err
    assert as_counter(read_records(tmp_path)) == expected[0]
    assert as_counter(read_records(tmp_path, "dead_letter")) == expected[1]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Returns a function that sets the sizes of ranges and of blocks, in bytes."""

    def set_sizes(range_bytes: int, block_bytes: int) -> None:
        smaller = functools.partial(ReadFiles, range_bytes=range_bytes)
        monkeypatch.setattr(pipeline.graph, "ReadFiles", smaller)
        monkeypatch.setattr(transforms.read.compression, "CHUNK_BYTES", block_bytes // 2)
        for module in (transforms.read.lines, transforms.parse.parse_events):
            monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)

    return set_sizes


@pytest.mark.parametrize(
    ("range_bytes", "block_bytes"), [(3_000, 1 << 20), (64 << 20, 500), (7_777, 3_333)]
)
def test_the_records_do_not_depend_on_the_sizes_of_ranges_and_blocks(
    samples: Samples,
    expected: tuple[Counter[str], Counter[str]],
    read_records: ReadRecords,
    tmp_path: Path,
    sizes: Callable[[int, int], None],
    range_bytes: int,
    block_bytes: int,
) -> None:
    sizes(range_bytes, block_bytes)
    said = run("--input", samples.pattern, "--output", tmp_path)
    assert said.code == 0, said.err
    assert as_counter(read_records(tmp_path)) == expected[0]
    assert as_counter(read_records(tmp_path, "dead_letter")) == expected[1]


@pytest.mark.parametrize("content", [b"", b"\n \r\n\n"], ids=["empty", "blank lines"])
def test_an_input_without_events_is_committed(
    tmp_path: Path, read_records: ReadRecords, content: bytes
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    output = tmp_path / "out"
    assert run("--input", path, "--output", output, "--run_id", "r").code == 0
    assert visible(output) == ["_manifest/r.json", "job_status/job_status-r-00000-of-00001.avro"]
    assert read_records(output) == []
    assert _manifests(output)[0]["read"] == 0


def test_no_input_at_all_is_committed_with_allow_no_input(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    output = tmp_path / "out"
    said = run("--input", tmp_path / "none*", "--output", output, "--allow_no_input")
    assert said.code == 0
    assert len(_manifests(output)) == 1
    assert read_records(output) == []


def _ids(records: Records) -> list[str]:
    return sorted(record["job_id"] for record in records)


@pytest.fixture(scope="module")
def twice_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Said]:
    """Returns a function that runs one file, then another in a write mode, into one output."""
    directory = tmp_path_factory.mktemp("inputs")
    first = write_events(directory / "first.jsonl", 10, 3, bad=1)
    second = write_events(directory / "second.jsonl", 20, 2, bad=1)

    def runs(output: Path, write_mode: str) -> Said:
        assert run("--input", first, "--output", output, "--run_id", "first").code == 0
        mode = ("--write_mode", write_mode)
        return run("--input", second, "--output", output, "--run_id", "second", *mode)

    return runs


def test_write_mode_error_refuses_an_output_with_a_run_and_does_not_change_it(
    tmp_path: Path, twice_in: Callable[[Path, str], Said], read_records: ReadRecords
) -> None:
    said = twice_in(tmp_path, "error")
    assert said.code == 5
    assert "first" in said.err
    assert "--write_mode" in said.err
    assert _ids(read_records(tmp_path)) == ["10", "11", "12"]
    assert {path.parts[0] for path in map(Path, visible(tmp_path))} == {
        "_manifest", "job_status", "dead_letter",
    }  # fmt: skip
    assert not (tmp_path / "_staging").exists()


def test_append_adds_a_run(
    tmp_path: Path, twice_in: Callable[[Path, str], Said], read_records: ReadRecords
) -> None:
    assert twice_in(tmp_path, "append").code == 0
    assert _ids(read_records(tmp_path)) == ["10", "11", "12", "20", "21"]
    assert len(read_records(tmp_path, "dead_letter")) == 2
    assert [each["run_id"] for each in _manifests(tmp_path)] == ["first", "second"]


def test_overwrite_keeps_only_the_new_run(
    tmp_path: Path, twice_in: Callable[[Path, str], Said], read_records: ReadRecords
) -> None:
    assert twice_in(tmp_path, "overwrite").code == 0
    assert visible(tmp_path) == [
        "_manifest/second.json",
        "dead_letter/dead_letter-second-00000-of-00001.avro",
        "job_status/job_status-second-00000-of-00001.avro",
    ]
    assert _ids(read_records(tmp_path)) == ["20", "21"]


def test_a_committed_run_id_is_not_repeated(tmp_path: Path, read_records: ReadRecords) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3, bad=1)
    output = tmp_path / "out"
    arguments = ("--input", path, "--output", output, "--run_id", "daily")
    assert run(*arguments).code == 0
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    write_events(path, 50, 5)
    said = run(*arguments, "--report", tmp_path / "report.json")
    assert said.code == 0
    assert "committed already" in said.err
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    assert json.loads((tmp_path / "report.json").read_bytes())["written"] == 3


def test_files_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1, bad=1)
    output = tmp_path / "out"
    before = os.umask(0o077)
    try:
        assert run("--input", path, "--output", output, "--report", output / "r.json").code == 0
    finally:
        os.umask(before)
    modes = {each.is_dir(): each.stat().st_mode & 0o777 for each in [output, *output.rglob("*")]}
    assert modes == {True: 0o700, False: 0o600}


def test_a_committed_run_id_with_another_input_is_refused(tmp_path: Path) -> None:
    first = write_events(tmp_path / "first.jsonl", 0, 1)
    second = write_events(tmp_path / "second.jsonl", 0, 1)
    arguments = ("--output", tmp_path / "out", "--run_id", "daily")
    assert run("--input", first, *arguments).code == 0
    for command in ("run", "validate"):
        said = job_status(command, "--input", second, *arguments)
        assert said.code == 2
        assert str(first) in said.out + said.err and str(second) in said.out + said.err


def test_a_run_that_writes_nothing_but_dead_letters_is_committed_with_exit_code_4(
    tmp_path: Path,
) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 0, bad=2)
    said = run("--input", path, "--output", tmp_path / "out")
    assert said.code == 4
    assert said.err.startswith("nothing was written: 2 of 2 events became dead letters")
    assert [each["dead_lettered"] for each in _manifests(tmp_path / "out")] == [2]


def test_a_run_without_an_event_to_write_succeeds_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"event":"other","event_data":{}}\n')
    said = run("--input", path, "--output", tmp_path / "out")
    assert said.code == 0
    assert said.err.startswith("nothing was written: --event_types ats_jobs.* matches none")
    path.write_text("")
    said = run("--input", path, "--output", tmp_path / "out", "--write_mode", "append")
    assert said.code == 0
    assert said.err.startswith("nothing was read")


def test_a_committed_run_id_succeeds_without_its_input_and_whatever_its_dead_letters(
    tmp_path: Path,
) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 1, bad=9)
    arguments = (
        *("--input", path, "--output", tmp_path / "out", "--run_id", "daily"),
        *("--max_dead_letter_fraction", "0.5"),
    )
    assert run(*arguments).code == 4
    path.unlink()
    assert run(*arguments).code == 0


def test_an_interrupted_commit_is_completed_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_records: ReadRecords
) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3, bad=1)
    output = tmp_path / "out"
    arguments = ("--input", path, "--output", output, "--run_id", "daily")

    def refuse(pairs: Any) -> None:
        raise OutputError("cannot rename: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "rename", refuse)
        said = run(*arguments)
    assert said.code == 5
    assert "Input/output error" in said.err
    assert (output / "_manifest" / "daily.pending.json").exists()
    assert not (output / "job_status").exists()
    said = run(*arguments)
    assert said.code == 0
    assert "completed the run daily" in said.err
    assert _ids(read_records(output)) == ["0", "1", "2"]
    assert len(read_records(output, "dead_letter")) == 1
    assert not (output / "_staging").exists()
    assert [path.name for path in (output / "_manifest").iterdir()] == ["daily.json"]


def test_files_have_about_the_target_size(
    tmp_path: Path, samples: Samples, read_records: ReadRecords, sizes: Callable[[int, int], None]
) -> None:
    sizes(64 << 20, 4_000)
    output = tmp_path / "out"
    arguments = ("--target_file_bytes", "20000", "--codec", "null", "--run_id", "r")
    assert run("--input", samples.pattern, "--output", output, *arguments).code == 0
    files = sorted((output / "job_status").iterdir())
    assert len(files) > 3
    assert [path.name for path in files] == [
        f"job_status-r-{number:05d}-of-{len(files):05d}.avro" for number in range(len(files))
    ]
    bytes_of = sorted(path.stat().st_size for path in files)
    # All files but the last one.
    assert all(20_000 <= size < 40_000 for size in bytes_of[1:])
    assert len(read_records(output)) == samples.counts.events


def test_dead_letters_are_written_to_dead_letter_output(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 2, bad=3)
    output, letters, report = tmp_path / "out", tmp_path / "letters", tmp_path / "r.json"
    said = run(
        *("--input", path, "--output", output, "--dead_letter_output", letters),
        *("--run_id", "r", "--report", report),
    )
    assert said.code == 0
    assert visible(letters) == [f"dead_letter-r{output_mark(str(output))}-00000-of-00001.avro"]
    assert not (output / "dead_letter").exists()
    assert len(read_records(tmp_path, "letters")) == 3
    for each in json.loads(report.read_bytes())["files"]:
        assert Path(each["path"]).stat().st_size == each["bytes"]
    # A later run that overwrites removes them.
    path = write_events(path, 0, 2)
    said = run(
        *("--input", path, "--output", output, "--dead_letter_output", letters),
        *("--write_mode", "overwrite"),
    )
    assert said.code == 0
    assert visible(letters) == []


def test_too_many_dead_letters_are_committed_and_give_exit_code_4(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    path = write_events(tmp_path / "in.jsonl", 0, 3, bad=2)
    output = tmp_path / "out"
    arguments = ("--input", path, "--output", output, "--max_dead_letter_fraction")
    said = run(*arguments, "0.39")
    assert said.code == 4
    assert len(read_records(output)) == 3
    assert len(read_records(output, "dead_letter")) == 2
    assert run(*arguments, "0.4", "--write_mode", "overwrite").code == 0


def test_a_damaged_input_prevents_the_commit_unless_it_is_kept(
    tmp_path: Path, read_records: ReadRecords
) -> None:
    plain = write_events(tmp_path / "in.jsonl", 0, 300)
    packed = gzip.compress(plain.read_bytes())
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(packed[: len(packed) // 2])
    output = tmp_path / "out"
    said = run("--input", cut, "--output", output)
    assert said.code == 3
    assert str(cut) in said.err
    assert visible(output) == []
    said = run("--input", cut, plain, "--output", output, "--on_damaged_input", "keep")
    assert said.code == 3
    (manifest,) = _manifests(output)
    assert [(Path(each["path"]).name, each["damaged"]) for each in manifest["inputs"]] == [
        ("cut.jsonl.gz", True),
        ("in.jsonl", False),
    ]
    assert 300 < len(read_records(output)) < 600


# Faults that no input can cause: a step that loses or repeats something.


def _drop(nth: int) -> Callable[[Iterator[RawBlock]], Iterator[RawBlock]]:
    def change(blocks: Iterator[RawBlock]) -> Iterator[RawBlock]:
        return (block for number, block in enumerate(blocks) if number != nth)

    return change


def _repeat(nth: int) -> Callable[[Iterator[RawBlock]], Iterator[RawBlock]]:
    def change(blocks: Iterator[RawBlock]) -> Iterator[RawBlock]:
        for number, block in enumerate(blocks):
            yield block
            if number == nth:
                yield block

    return change


def _broken_reader(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    change: Callable[[Iterator[RawBlock]], Iterator[RawBlock]],
) -> None:
    real = transforms.read.read_files.read_range

    def broken(file_range: FileRange, limits: ReadLimits, *more: Any) -> Iterator[RawBlock]:
        blocks = real(file_range, limits, *more)
        return change(blocks) if file_range.path == str(path) else blocks

    monkeypatch.setattr(transforms.read.read_files, "read_range", broken)


@pytest.fixture
def three_files(tmp_path: Path) -> list[Path]:
    """Two plain files and a compressed one."""
    files = [write_events(tmp_path / "in" / f"{name}.jsonl", 0, 40) for name in ("a", "b", "c")]
    packed = gzip.compress(files[2].read_bytes())
    files[2].unlink()
    files[2] = files[2].with_suffix(".jsonl.gz")
    files[2].write_bytes(packed)
    return files


def _assert_nothing_committed(
    files: list[Path], *, code: int = 1, message: str = "ledger does not balance"
) -> None:
    output = files[0].parent.parent / "out"
    said = run("--input", f"{files[0].parent}/*", "--output", output)
    assert said.code == code, said.err
    assert message in said.err
    assert len(said.err.splitlines()) <= 3
    assert visible(output) == []
    assert not (output / "_staging").exists()


@pytest.mark.parametrize("number", [0, 2], ids=["plain", "compressed"])
@pytest.mark.parametrize(
    "change",
    [_drop(0), _drop(1), _repeat(0), _repeat(1)],
    ids=["first lost", "second lost", "first repeated", "second repeated"],
)
def test_a_lost_or_repeated_block_prevents_the_commit(
    three_files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    sizes: Callable[[int, int], None],
    number: int,
    change: Callable[[Iterator[RawBlock]], Iterator[RawBlock]],
) -> None:
    sizes(64 << 20, 1_000)
    _broken_reader(monkeypatch, three_files[number], change)
    _assert_nothing_committed(three_files)


def test_a_lost_range_prevents_the_commit(
    three_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str, size: int, input_format: Any, range_bytes: int) -> list[FileRange]:
        ranges = split_file(path, size, input_format, 1_000)
        return ranges[:1] + ranges[2:] if path == str(three_files[0]) else ranges

    monkeypatch.setattr(transforms.read.read_files, "split_file", broken)
    _assert_nothing_committed(three_files)


def test_a_repeated_range_prevents_the_commit(
    three_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str, size: int, input_format: Any, range_bytes: int) -> list[FileRange]:
        ranges = split_file(path, size, input_format, 1_000)
        return ranges + ranges[1:2]

    monkeypatch.setattr(transforms.read.read_files, "split_file", broken)
    _assert_nothing_committed(three_files)


def test_a_lost_file_prevents_the_commit(
    three_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = transforms.read.read_files._split

    def broken(file: tuple[str, Iterable[int]], *settings: Any) -> Iterator[Any]:
        return iter(()) if file[0] == str(three_files[1]) else real(file, *settings)

    monkeypatch.setattr(transforms.read.read_files, "_split", broken)
    _assert_nothing_committed(three_files)


@pytest.mark.parametrize("times", [0, 2])
def test_records_lost_or_repeated_in_the_sink_prevent_the_commit(
    three_files: list[Path], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    real = Stager._append

    def broken(self: Stager, name: Any, block: Any) -> int:
        counts = [real(self, name, block) for _ in range(times)]
        return counts[0] if counts else getattr(block, "count", 0)

    monkeypatch.setattr(Stager, "_append", broken)
    _assert_nothing_committed(three_files)


def test_a_repeated_encoded_block_prevents_the_commit(
    three_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Stager.add

    def broken(self: Stager, block: EncodedBlock) -> None:
        real(self, block)
        real(self, block)

    monkeypatch.setattr(Stager, "add", broken)
    _assert_nothing_committed(three_files)


def test_a_full_disk_prevents_the_commit(
    three_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Any, path: str) -> None:
        if "/_staging/" in path and path.endswith(".avro"):
            raise OSError(28, "No space left on device")
        file.close()

    monkeypatch.setattr(filesystem, "close_durably", full)
    _assert_nothing_committed(three_files, code=5, message="No space left on device")
